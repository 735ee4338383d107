import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const cmake = spawnSync('cmake', ['--version']).status === 0;
const headers = ['cuda_runtime.h', 'crt/host_config.h', 'cub/cub.cuh', 'cublasLt.h', 'cusparse.h', 'cudnn.h'];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 's2sam-cuda-build-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(path: string, text = ''): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

/** A toolkit of this release, without anything that works. */
function toolkit(release: string): string {
  const home = join(folder, 'toolkit');
  const nvcc = write(
    join(home, 'bin/nvcc'),
    `#!/bin/sh\ncase "$1" in --version) echo "Cuda compilation tools, release ${release}, V${release}.1" ;;\n` +
      `*) echo '#$ TOP=${home}/bin/..' >&2 ;; esac\n`,
  );
  chmodSync(nvcc, 0o755);
  for (const header of headers) write(join(home, 'include', header));
  write(join(home, 'lib64/libcudart_static.a'));
  return home;
}

/** What the search says in a checkout that has fetched nothing, in this environment. */
function search(env: Record<string, string>): string {
  cpSync(join(repository, 'cmake'), join(folder, 'checkout/cmake'), { recursive: true });
  const none = { CUDACXX: '', CUDA_HOME: '', CUDA_PATH: '', VIRTUAL_ENV: '' };
  const script = join(folder, 'checkout/cmake/find_cuda.cmake');
  const options = { env: { ...process.env, ...none, ...env }, encoding: 'utf8' } as const;
  return spawnSync('cmake', ['-P', script], options).stdout.trim();
}

describe.skipIf(!cmake)('the search for CUDA (skipped where there is no CMake)', () => {
  it('takes the toolkit that is named', () => {
    const home = toolkit('13.1');
    expect(search({ CUDA_HOME: home })).toBe(`nvcc: ${home}/bin/nvcc`);
    expect(search({ CUDACXX: `${home}/bin/nvcc` })).toBe(`nvcc: ${home}/bin/nvcc`);
  });

  it('refuses an nvcc that is too old', () => {
    const home = toolkit('12.4');
    expect(search({ CUDA_HOME: home })).toBe(`missing: ${home}/bin/nvcc is of CUDA 12.4, but 13.0 or newer is needed`);
  });

  it('refuses an nvcc that does not run', () => {
    expect(search({ CUDACXX: '/nowhere/nvcc' })).toBe('missing: /nowhere/nvcc does not run');
  });

  it('names the parts that are missing, and how to get them', () => {
    const home = toolkit('13.0');
    rmSync(join(home, 'lib64/libcudart_static.a'));
    expect(search({ CUDA_HOME: home })).toBe(
      `missing: there is ${home}/bin/nvcc, but no libcudart_static.a; ` +
        "`npm run cuda:fetch` fetches NVIDIA's Python wheels, which have that",
    );
  });

  it('finds in a Python environment what the toolkit lacks', () => {
    const home = toolkit('13.0');
    rmSync(join(home, 'lib64/libcudart_static.a'));
    write(join(folder, 'venv/lib/python3.11/site-packages/nvidia/cu13/lib/libcudart_static.a'));
    expect(search({ CUDA_HOME: home, VIRTUAL_ENV: join(folder, 'venv') })).toBe(`nvcc: ${home}/bin/nvcc`);
  });
});

describe('the build script', () => {
  const build = (wish: string) => {
    const zx = join(repository, 'native/node_modules/zx/build/cli.js');
    const args = [zx, join(repository, 'native/scripts/build.mjs'), '--backend', 'cuda'];
    return spawnSync(process.execPath, args, { env: { ...process.env, S2SAM_CUDA: wish }, encoding: 'utf8' });
  };

  it('says why CUDA was not built, and is content', () => {
    const { status, stdout } = build('0');
    expect([status, stdout]).toEqual([0, 'The CUDA backend was not built: S2SAM_CUDA is 0\n']);
  });

  it('refuses a wish it does not know', () => {
    const { status, stderr } = build('yes');
    expect(status).toBe(1);
    expect(stderr).toContain("S2SAM_CUDA is 'yes'; it must be 0 or 1");
  });
});
