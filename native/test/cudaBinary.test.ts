import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { checkIdentity, cuda } from '../lib/binary.js';
import { findLibraries, libraryFiles, libraryNames } from '../lib/cuda/libraries.js';
import { probe } from '../lib/cuda/probe.js';
import { canCompile, compileLibrary, fakeDriver, hasDriver } from './support/fakes.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const binary = `${root}build/Release/s2sam_cuda.node`;
const built = existsSync(binary);
const found = findLibraries();
const complete = libraryNames.every((name) => found[name] !== undefined);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 's2sam-cuda-binary-'));
  vi.resetModules();
  vi.stubEnv('S2SAM_CUDA_BINARY', binary);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe.skipIf(!built)('s2sam_cuda.node (skipped where it is not built)', () => {
  it('needs nothing of CUDA to be loaded', () => {
    const dynamic = execFileSync('readelf', ['-d', binary], { encoding: 'utf8' });
    const needed = [...dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map((match) => match[1] ?? '');
    expect(needed).toContain('libc.so.6');
    expect(needed.filter((name) => /cu(da|dnn|blas|sparse)|nv/i.test(name))).toEqual([]);
  });

  it('has every function, and tells for which GPUs it was compiled', () => {
    const { functions, info } = probe(binary, {});
    expect(() => checkIdentity(cuda, info, functions)).not.toThrow();
    expect(info?.compiledIsas.join()).toMatch(/^(sm|compute)_\d+[a-z]?(,(sm|compute)_\d+[a-z]?)*$/);
    expect(info?.build.runtime).toMatch(/^CUDA 13\.\d+$/);
  });

  it.skipIf(hasDriver)('has no devices without a driver, and says why (skipped where there is a driver)', () => {
    const { info } = probe(binary, {});
    expect(info?.devices).toEqual([]);
    expect(info?.build.driver).toBe('none');
    expect(info?.build.problem).toMatch(/driver/);
  });

  it.skipIf(!complete)("opens NVIDIA's libraries (skipped where they are not all found)", () => {
    const build = probe(binary, found).info?.build ?? {};
    for (const name of libraryNames) {
      expect(build[name]?.endsWith(` ${found[name]}`), `${name}: ${build[name]}`).toBe(true);
      expect(build[name]).toMatch(/^\d+\.\d+/);
    }
    expect(build.cudnn).toMatch(/^9\.\d+\.\d+\+cuda13\.\d+ /);
  });

  it.skipIf(!canCompile)(
    'lives on with a library that cannot be opened, and refuses one of another version (skipped without a C compiler)',
    async () => {
      const source = '#include <stddef.h>\nsize_t cudnnGetVersion(void) { return 8907; }';
      compileLibrary(join(folder, libraryFiles.cudnn), source);
      compileLibrary(join(folder, libraryFiles.nvJitLink), 'int nothing;');
      compileLibrary(join(folder, libraryFiles.cusparse), 'int missing(void); int (*call)(void) = missing;');
      fakeDriver(folder, 'silent');
      vi.stubEnv('LD_LIBRARY_PATH', folder);
      vi.stubEnv('S2SAM_CUDA_LIBS', folder);
      const { inspectCuda } = await import('../lib/index.js');
      const reasonOf = (name: string) => inspectCuda().libraries.find((library) => library.name === name)?.reason;
      expect(reasonOf('cudnn')).toBe(`${join(folder, libraryFiles.cudnn)} is of version 8.9.7, but 9 is needed`);
      expect(reasonOf('cusparse')).toMatch(/libcusparse\.so\.12 cannot be opened: .*undefined symbol: missing/);
    },
  );

  it.skipIf(!canCompile || hasDriver)(
    'takes a driver without any functions for none (skipped without a C compiler, or where there is a driver)',
    async () => {
      fakeDriver(folder, 'silent');
      vi.stubEnv('LD_LIBRARY_PATH', folder);
      const { inspectCuda } = await import('../lib/index.js');
      expect(inspectCuda().reason).toMatch(/^the NVIDIA driver offers no device: .*driver.* \(the driver is for .*13/);
    },
  );

  it.skipIf(!canCompile)('outlives a driver that crashes or hangs (skipped without a C compiler)', async () => {
    vi.stubEnv('LD_LIBRARY_PATH', folder);
    vi.stubEnv('S2SAM_CUDA_TIMEOUT', '5');
    for (const [kind, reason] of [
      ['crashing', /was killed by SIGABRT/],
      ['hanging', /did not answer within 5 s/],
    ] as const) {
      fakeDriver(folder, kind);
      vi.resetModules();
      const { inspectCuda, loadCpu } = await import('../lib/index.js');
      expect(inspectCuda().reason).toMatch(reason);
      expect(loadCpu().info().backend).toBe('cpu');
    }
  });
});

/** Functions of NVIDIA's libraries that our sources name in quotes, by the library they begin with. */
function namedFunctions(): Map<string, Set<string>> {
  const named = new Map(libraryNames.map((name) => [name as string, new Set<string>()]));
  for (const file of readdirSync(`${root}src/cuda`, { recursive: true, encoding: 'utf8' })) {
    if (!/\.(cc|cu|hpp)$/.test(file)) continue;
    const text = readFileSync(`${root}src/cuda/${file}`, 'utf8');
    for (const [, name = '', library = ''] of text.matchAll(
      /"((cublasLt|cublas|cusparse|cudnn|nvJitLink)[A-Z]\w+)"/g,
    )) {
      named.get(library)?.add(name);
    }
  }
  return named;
}

const nm = spawnSync('nm', ['--version']).status === 0;
describe.skipIf(!complete || !nm)(
  "the functions we look up (skipped where NVIDIA's libraries or nm are missing)",
  () => {
    it.each(['cudnn', 'cublasLt', 'nvJitLink', 'cusparse'] as const)('are all in %s', (library) => {
      const symbols = execFileSync('nm', ['-D', '--defined-only', found[library] ?? ''], {
        encoding: 'utf8',
        maxBuffer: 1 << 28,
      });
      const exported = new Set([...symbols.matchAll(/ [TWi] ([^@\s]+)/g)].map((match) => match[1]));
      const wanted = [...(namedFunctions().get(library) ?? [])];
      expect(wanted.length).toBeGreaterThan(0);
      expect(wanted.filter((name) => !exported.has(name))).toEqual([]);
    });
  },
);
