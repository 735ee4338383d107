import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildProgram, survey } from '../../bench/cudnn/program.mjs';
import { isReady, summarize } from '../../bench/cudnn/summary.mjs';
import { findLibraries } from '../lib/cuda/libraries.js';
import { systemLibrary } from '../lib/cuda/systemLibrary.js';

// Facts about the fused operations of the real cuDNN, for an NVIDIA H200 that is only described: what a backend could rely on. Needs
// cuDNN with its headers (`npm run cuda:fetch`) and CMake, no GPU.
const library = findLibraries().cudnn ?? '';
const headers = fileURLToPath(new URL('../.cuda/nvidia/cudnn/include/cudnn.h', import.meta.url));
const hasCMake = spawnSync('cmake', ['--version']).status === 0;
const missing =
  library === '' || !existsSync(headers) ? 'there is no cuDNN with headers' : hasCMake ? '' : 'there is no CMake';

/** With a driver, kernels that were compiled are loaded onto the GPU that is there, which may be another. */
const skipped = systemLibrary('libcuda.so.1') === undefined ? '' : ' (skipped: there is a driver)';

const cases = async (dtype: string, layer: string, pattern: string, compile = 0) =>
  (await survey({ library, dtype, batch: 256, compile, layer, pattern })).cases.map(summarize);

type Case = ReturnType<typeof summarize>;
const notes = (one: Case) => one.engines.flatMap((engine) => (engine.plans > 0 ? (engine.notes ?? []) : []));
const named = (all: readonly Case[], pattern: string) => all.filter((one) => one.pattern === pattern);

/** Kernels of these are in the library, for f16 alone; scales and biases must be f16 too. */
const ready = [
  'convolution, statistics',
  'scale, bias, ReLU, convolution, statistics',
  'scale, bias, ReLU, weight gradient',
  "data gradient, dReLU, batch norm's sums",
];
/** And of these where the convolution is a product of matrices. */
const readyForProducts = [
  'scale, bias, add, ReLU (written), convolution, statistics',
  'two scales and biases, add, ReLU (written), convolution, statistics',
];

describe.skipIf(missing !== '')(`fused operations of cuDNN${missing && ` (skipped: ${missing})`}`, () => {
  beforeAll(buildProgram);

  for (const [layer, patterns] of [
    ['3x3 64->64 @56', ready],
    ['1x1 256->64 @56', [...ready, ...readyForProducts]],
  ] as const) {
    it(`have kernels in f16 for ${layer}`, async () => {
      const all = await cases('f16', layer, '');
      for (const pattern of patterns) {
        const found = named(all, pattern).filter(({ scales }) => scales !== 'f32');
        expect(found.filter(isReady).map((one) => one.pattern)).toEqual([pattern]);
        expect(found.flatMap(notes)).toEqual([]);
      }
    });

    it(`have none in bf16 for ${layer}`, async () => {
      const all = await cases('bf16', layer, '');
      for (const pattern of patterns) expect(named(all, pattern).filter(isReady)).toEqual([]);
    });
  }

  it.skipIf(skipped !== '')(`are compiled in bf16${skipped}`, async () => {
    const statistics = await cases('bf16', '3x3 64->64 @56', 'scale, bias, ReLU, convolution, statistics', 1);
    expect(statistics.map(({ scales, plans }) => ({ scales, plans }))).toEqual([
      { scales: 'bf16', plans: 1 },
      { scales: 'f32', plans: 1 },
    ]);
    const [norm] = await cases('bf16', '256 @56', 'batch norm, add, ReLU and mask', 1);
    expect(norm?.plans).toBe(1);
  });

  it('do not normalize what the weight gradient reads in bf16', async () => {
    const found = await cases('bf16', '3x3 64->64 @56', 'scale, bias, ReLU, weight gradient', 1);
    expect(found.map(({ plans }) => plans)).toEqual([0, 0]);
  });
});
