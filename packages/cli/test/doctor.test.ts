import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { libraryFiles } from '../../../native/lib/cuda/libraries.js';
import {
  canCompile,
  fakeDriver,
  h200,
  hasDriver,
  script,
  scriptedAddon,
  t4,
} from '../../../native/test/support/fakes.js';
import { run } from './command.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 's2sam-doctor-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

type Checks = Record<string, { ok: boolean | null; detail: string }>;

/** What doctor tells about a machine with these variables; the CPU is what is tested. */
async function examine(env: Record<string, string>): Promise<Checks> {
  const { code, stdout } = await run(folder, ['doctor', '--json'], { S2SAM_DEVICE: 'cpu', ...env });
  expect(code).toBe(0);
  return (JSON.parse(stdout) as { checks: Checks }).checks;
}

describe('what doctor tells of CUDA', () => {
  it.skipIf(hasDriver)(
    'without a driver: why it is not used, and every library (skipped where there is a driver)',
    async () => {
      const checks = await examine({ S2SAM_CUDA_LIBS: folder });
      expect(checks.cuda).toEqual({ ok: null, detail: expect.stringMatching(/^not used: no NVIDIA driver was found/) });
      expect(checks.driver?.detail).toBe('no NVIDIA driver');
      expect(Object.keys(checks)).toEqual(expect.arrayContaining(Object.keys(libraryFiles)));
    },
  );

  it.skipIf(!canCompile)(
    'with GPUs: driver, binary, libraries with version and path, devices (skipped without a C compiler)',
    async () => {
      fakeDriver(folder, 'silent');
      const binary = scriptedAddon(folder);
      const libraries = join(folder, 'libs');
      mkdirSync(libraries);
      for (const file of Object.values(libraryFiles)) writeFileSync(join(libraries, file), '');
      const checks = await examine({
        LD_LIBRARY_PATH: folder,
        S2SAM_CUDA_LIBS: libraries,
        S2SAM_CUDA_BINARY: binary,
        S2SAM_SCRIPTED_ADDON: script({ devices: [h200, t4], versions: { cusparse: '11.7.5' } }),
      });
      expect(checks.cuda).toEqual({ ok: true, detail: 'cuda:0 NVIDIA H200' });
      expect(checks.driver?.detail).toMatch(/^NVIDIA .*CUDA 13\.0, .*libcuda\.so\.1$/);
      expect(checks['cuda binary']?.detail).toBe(`${binary}, CUDA 13.0, fake`);
      expect(checks.cudnn?.detail).toBe(`9.24.0+cuda13.0, ${join(libraries, 'libcudnn.so.9')}`);
      expect(checks.cusparse?.detail).toMatch(/^not used: .*is of version 11\.7\.5, but 12 is needed$/);
      expect(checks['cuda:0']).toEqual({ ok: true, detail: 'NVIDIA H200, 139.7 GiB, compute capability sm_90' });
      expect(checks['cuda:1']?.detail).toMatch(/^Tesla T4, .*; not used: its compute capability is sm_75/);
    },
  );
});
