import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { checkCapability } from '../lib/cuda/capability.js';
import { type CudaLibraryName, findLibraries, libraryFiles, libraryNames } from '../lib/cuda/libraries.js';
import {
  a100,
  canCompile,
  type driverSources,
  fakeDriver,
  h200,
  hasDriver,
  type Script,
  script,
  scriptedAddon,
  t4,
} from './support/fakes.js';

const cpuBinary = fileURLToPath(new URL('../build/Release/s2sam_cpu.node', import.meta.url));
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 's2sam-cuda-'));
  vi.resetModules();
  for (const name of ['S2SAM_CUDA_LIBS', 'CUDA_HOME', 'CUDA_PATH', 'VIRTUAL_ENV']) vi.stubEnv(name, '');
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** A loader that has seen nothing yet. */
const fresh = () => import('../lib/index.js');

/** Empty files that are called like NVIDIA's libraries; returns their folder. */
function libraries(place: string, names: readonly CudaLibraryName[] = libraryNames): string {
  mkdirSync(place, { recursive: true });
  for (const name of names) writeFileSync(join(place, libraryFiles[name]), '');
  return place;
}

/** A machine with this driver and a binary that answers so. */
function machine(driver: keyof typeof driverSources, answer: Script = {}): string {
  fakeDriver(folder, driver);
  const binary = scriptedAddon(folder);
  vi.stubEnv('LD_LIBRARY_PATH', folder);
  vi.stubEnv('S2SAM_CUDA_BINARY', binary);
  vi.stubEnv('S2SAM_SCRIPTED_ADDON', script(answer));
  return binary;
}

/** The reason is told by inspectCuda and thrown by loadCuda, and the CPU goes on working. */
async function expectRefusal(reason: RegExp) {
  const { inspectCuda, loadCuda, loadCpu, DeviceUnavailableError } = await fresh();
  expect(inspectCuda().reason).toMatch(reason);
  expect(inspectCuda().reason).not.toContain('\n');
  expect(loadCuda).toThrow(DeviceUnavailableError);
  expect(loadCuda).toThrow(reason);
  expect(loadCpu().info().backend).toBe('cpu');
}

describe.skipIf(hasDriver)('without a driver (skipped where there is one)', () => {
  it('CUDA is refused with the way to get one', async () => {
    vi.stubEnv('LD_LIBRARY_PATH', '');
    await expectRefusal(/no NVIDIA driver was found \(libcuda\.so\.1\); install driver 580 or newer/);
  });

  it('a wrong path of the binary is still called wrong', async () => {
    vi.stubEnv('S2SAM_CUDA_BINARY', '/nowhere/s2sam_cuda.node');
    await expectRefusal(/S2SAM_CUDA_BINARY=\/nowhere\/s2sam_cuda\.node: there is no such file/);
  });
});

describe('the file that S2SAM_CUDA_BINARY names', () => {
  const broken: [string, (path: string) => void, RegExp][] = [
    ['is missing', () => {}, /there is no such file/],
    ['is text', (path) => writeFileSync(path, 'no binary\n'.repeat(100)), /it is not a Linux binary/],
    ['is truncated', (path) => writeFileSync(path, readFileSync(cpuBinary).subarray(0, 4096)), /it is truncated/],
  ];
  it.each(broken)('%s', async (_what, make, reason) => {
    const path = join(folder, 'broken.node');
    make(path);
    vi.stubEnv('S2SAM_CUDA_BINARY', path);
    await expectRefusal(reason);
  });

  it.skipIf(!canCompile)('is for the CPU (skipped without a C compiler)', async () => {
    machine('silent');
    vi.stubEnv('S2SAM_CUDA_BINARY', cpuBinary);
    await expectRefusal(/it is a binary for the cpu backend/);
  });
});

describe.skipIf(!canCompile)('with a driver (skipped where there is no C compiler)', () => {
  it('that crashes, only the trial process dies', async () => {
    machine('crashing', { devices: [h200] });
    await expectRefusal(/a trial process that loaded it was killed by SIGABRT/);
  });

  it('that hangs, the trial process is given up', async () => {
    machine('hanging', { devices: [h200] });
    vi.stubEnv('S2SAM_CUDA_TIMEOUT', '1');
    await expectRefusal(/a trial process that loaded it did not answer within 1 s/);
  });

  it('that ends the process, its last words are told', async () => {
    machine('leaving', { devices: [h200] });
    await expectRefusal(/a trial process that loaded it ended with exit code 3 \(no such luck\)/);
  });

  it('that has no GPU, its own words are told', async () => {
    machine('silent', { build: { problem: 'no CUDA-capable device is detected' } });
    await expectRefusal(/the NVIDIA driver offers no device: no CUDA-capable device is detected/);
  });

  it('and a GPU that is too old, the reason names both', async () => {
    machine('silent', { devices: [t4] });
    await expectRefusal(/Tesla T4 cannot be used: its compute capability is sm_75, but .* sm_80, sm_90, compute_90/);
  });

  it('and usable GPUs, the binary is loaded and told the libraries', async () => {
    const binary = machine('silent', { devices: [t4, h200, a100] });
    const place = libraries(join(folder, 'libs'));
    vi.stubEnv('S2SAM_CUDA_LIBS', place);
    const { inspectCuda, loadCuda } = await fresh();
    const report = inspectCuda();
    expect(report).toMatchObject({ reason: '', binary, driver: { path: join(folder, 'libcuda.so.1') } });
    expect(report.devices.map(({ index, name, reason }) => [index, name, reason === ''])).toEqual([
      [0, 'Tesla T4', false],
      [1, 'NVIDIA H200', true],
      [2, 'NVIDIA A100', true],
    ]);
    expect(report.libraries.find(({ name }) => name === 'cudnn')).toEqual({
      name: 'cudnn',
      file: 'libcudnn.so.9',
      path: join(place, 'libcudnn.so.9'),
      version: '9.24.0+cuda13.0',
      reason: '',
    });
    for (const name of libraryNames) expect(loadCuda().info().build[name]).toContain(join(place, libraryFiles[name]));
  });

  it.each([
    [{ cudnn: '8.9.7' }, 'cudnn', /libcudnn\.so\.9 is of version 8\.9\.7, but 9 is needed$/],
    [{ cudnn: '9.10.2+cuda12.9' }, 'cudnn', /libcudnn\.so\.9 is for CUDA 12, but one for CUDA 13 is needed$/],
    [{ cusparse: '11.7.5' }, 'cusparse', /libcusparse\.so\.12 is of version 11\.7\.5, but 12 is needed$/],
  ])('a library of another version is not used: %o', async (versions, name, reason) => {
    machine('silent', { devices: [h200], versions });
    vi.stubEnv('S2SAM_CUDA_LIBS', libraries(join(folder, 'libs')));
    const { inspectCuda, loadCuda } = await fresh();
    expect(inspectCuda().reason).toBe('');
    expect(inspectCuda().libraries.find((library) => library.name === name)?.reason).toMatch(reason);
    const used = Object.keys(loadCuda().info().build).filter((key) => key in libraryFiles);
    expect(used.sort()).toEqual(libraryNames.filter((one) => one !== name).sort());
  });
});

describe("NVIDIA's libraries", () => {
  const wheels = (site: string) => {
    libraries(join(site, 'nvidia/cu13/lib'), ['cublasLt', 'cublas', 'nvJitLink', 'cusparse']);
    libraries(join(site, 'nvidia/cudnn/lib'), ['cudnn']);
  };

  it('are taken from S2SAM_CUDA_LIBS before anything else', () => {
    wheels(join(folder, 'lib/python3.11/site-packages'));
    vi.stubEnv('VIRTUAL_ENV', folder);
    const wish = [libraries(join(folder, 'a'), ['cudnn']), libraries(join(folder, 'b'), ['cublas', 'cublasLt'])];
    vi.stubEnv('S2SAM_CUDA_LIBS', wish.join(':'));
    const found = findLibraries();
    expect(found.cudnn).toBe(join(folder, 'a/libcudnn.so.9'));
    expect([found.cublas, found.cublasLt]).toEqual([
      join(folder, 'b/libcublas.so.13'),
      join(folder, 'b/libcublasLt.so.13'),
    ]);
  });

  it('that belong together come from one folder', () => {
    const place = libraries(join(folder, 'only-cublas'), ['cublas']);
    const whole = libraries(join(folder, 'whole'));
    vi.stubEnv('S2SAM_CUDA_LIBS', `${place}:${whole}`);
    expect(findLibraries().cublas).toBe(join(whole, 'libcublas.so.13'));
  });

  it('are found in a toolkit', () => {
    libraries(join(folder, 'lib64'));
    vi.stubEnv('CUDA_HOME', folder);
    expect(findLibraries()).toEqual(
      Object.fromEntries(libraryNames.map((name) => [name, join(folder, 'lib64', libraryFiles[name])])),
    );
  });

  it('a missing one is told by its file name', async () => {
    const { inspectCuda } = await fresh();
    for (const { file, path, reason } of inspectCuda().libraries) {
      expect(reason).toBe(path === undefined ? `${file} was not found` : '');
    }
  });
});

describe('what a GPU runs', () => {
  it.each([
    ['sm_80', ['sm_80'], true],
    ['sm_86', ['sm_80'], true],
    ['sm_90', ['sm_80'], false],
    ['sm_90', ['sm_80', 'compute_80'], true],
    ['sm_75', ['sm_80', 'compute_80'], false],
    ['sm_100', ['sm_90a', 'compute_90a'], false],
    ['sm_90', ['sm_90a'], true],
    ['sm_120', ['sm_90', 'compute_90'], true],
    ['sm_103', ['sm_100'], true],
  ])('%s with code for %o: %s', (device, compiled, expected) => {
    expect(checkCapability(device, compiled) === '').toBe(expected);
  });
});
