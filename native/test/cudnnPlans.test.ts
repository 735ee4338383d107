import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { findLibraries } from '../lib/cuda/libraries.js';

// The real cuDNN makes plans for an NVIDIA H200 that is only described, so this needs no GPU: cuDNN's library (`npm run cuda:fetch`)
// and the program that test/emulated_cuda/build.mjs builds.
const program = fileURLToPath(new URL('../build/Emulated/cudnn_plans', import.meta.url));
const h200 = fileURLToPath(new URL('./fixtures/h200.json', import.meta.url));
const libraries = findLibraries();
const missing =
  libraries.cudnn === undefined ? 'there is no cuDNN' : existsSync(program) ? '' : 'test/emulated_cuda is not built';

interface Layer {
  readonly c: number;
  readonly size: number;
  readonly o: number;
  readonly kernel: number;
  readonly stride: number;
}

const layer = (c: number, size: number, o: number, kernel: number, stride = 1): Layer => ({
  c,
  size,
  o,
  kernel,
  stride,
});

/** The convolutions of ResNet-50 v1.5 for images of 224 x 224. */
const resnet50: Layer[] = [
  layer(3, 224, 64, 7, 2),
  layer(64, 56, 64, 1),
  ...[0, 1, 2, 3].flatMap((stage) => {
    const inner = 64 << stage;
    const size = 56 >> stage;
    const first = stage === 0 ? [] : [layer(inner * 2, size * 2, inner, 1), layer(inner, size * 2, inner, 3, 2)];
    const projection = stage === 0 ? [] : [layer(inner * 2, size * 2, inner * 4, 1, 2)];
    const others = [layer(inner, size, inner * 4, 1), layer(inner * 4, size, inner, 1), layer(inner, size, inner, 3)];
    return [...first, ...projection, ...others];
  }),
];

/** Those of ResNet-32 for CIFAR, with projections. */
const resnet32: Layer[] = [
  layer(3, 32, 16, 3),
  ...[0, 1, 2].flatMap((stage) => {
    const width = 16 << stage;
    const size = 32 >> stage;
    const first = stage === 0 ? [] : [layer(width / 2, size * 2, width, 3, 2), layer(width / 2, size * 2, width, 1, 2)];
    return [...first, layer(width, size, width, 3)];
  }),
];

/** Numbers of channels that tensor cores do not take as they are. */
const odd: Layer[] = [layer(5, 9, 7, 3), layer(13, 8, 24, 3, 2), layer(24, 8, 13, 1)];

const passes = ['forward 0', 'data 0', 'data 1', 'weight 0'] as const;

/** Lines for the program: pass, type, accumulate, n, c, h, w, o, kernel, stride, pad. */
const problems = (layers: readonly Layer[], batch: number, dtype: string): string[] =>
  layers.flatMap(({ c, size, o, kernel, stride }) =>
    passes.map((pass) => {
      const [name, accumulate] = pass.split(' ');
      return [name, dtype, accumulate, batch, c, size, size, o, kernel, stride, Math.floor(kernel / 2)].join(' ');
    }),
  );

/** What the program says of each problem. */
function plans(lines: readonly string[]): { name: string; found: number; made: number; workspace: number }[] {
  const named = Object.entries(libraries).map(([name, path]) => `${name}=${path}`);
  const said = execFileSync(program, [h200, ...named], { input: `${lines.join('\n')}\n`, encoding: 'utf8' });
  return said
    .trim()
    .split('\n')
    .map((line) => {
      const [name = '', found, made, workspace] = line.split(' ');
      return { name, found: Number(found), made: Number(made), workspace: Number(workspace) };
    });
}

describe.skipIf(missing !== '')(`plans of cuDNN for an NVIDIA H200${missing && ` (skipped: ${missing})`}`, () => {
  const cases = [
    { net: 'ResNet-50', layers: resnet50, batch: 256 },
    { net: 'ResNet-32', layers: resnet32, batch: 128 },
    { net: 'odd channels', layers: odd, batch: 3 },
  ];
  for (const { net, layers, batch } of cases) {
    for (const dtype of ['f32', 'f16', 'bf16']) {
      it(`exist for every pass of every convolution of ${net} in ${dtype}`, () => {
        const lines = problems(layers, batch, dtype);
        const result = plans(lines);
        expect(result).toHaveLength(lines.length);
        // In 16 bit there is a choice; in f32 without TF32 there is little.
        const least = dtype === 'f32' ? 1 : 5;
        expect(result.filter(({ made }) => made < least)).toEqual([]);
        expect(result.filter(({ workspace }) => workspace > 2 ** 30)).toEqual([]);
      });
    }
  }

  it('are refused for images that the kernel does not fit', () => {
    expect(() => plans(['forward bf16 0 4 8 2 2 8 5 1 0'])).toThrow(/CUDNN_STATUS_BAD_PARAM/);
  });
});
