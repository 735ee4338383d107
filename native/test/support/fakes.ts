import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findDriver } from '../../lib/cuda/driver.js';
import { functionNames } from '../../lib/functions.js';
import type { BackendInfo } from '../../lib/index.js';

const require = createRequire(import.meta.url);
const { include_dir: headers } = require('node-api-headers') as { include_dir: string };
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const compilers = [process.env.CC, 'cc', 'gcc', 'clang'].filter((name) => name !== undefined);
const compiler = compilers.find((name) => spawnSync(name, ['--version']).status === 0);
/** Whether fakes can be made here. */
export const canCompile = compiler !== undefined;
/** Whether this machine has an NVIDIA driver, so that tests about its absence make no sense. */
export const hasDriver = findDriver() !== undefined;

/** Compiles C text to a shared library. */
export function compileLibrary(path: string, source: string, ...flags: string[]): string {
  if (compiler === undefined) throw new Error('there is no C compiler');
  mkdirSync(dirname(path), { recursive: true });
  execFileSync(compiler, ['-shared', '-fPIC', '-x', 'c', '-', '-o', path, ...flags], { input: source });
  return path;
}

/** What a driver does when it is loaded. */
export const driverSources = {
  silent: 'int s2sam_fake_driver;',
  crashing: `#include <stdlib.h>
    __attribute__((constructor)) static void load(void) { abort(); }
    int s2sam_fake_driver;`,
  hanging: `#include <unistd.h>
    __attribute__((constructor)) static void load(void) { for (;;) pause(); }
    int s2sam_fake_driver;`,
  leaving: `#include <stdio.h>
    #include <stdlib.h>
    __attribute__((constructor)) static void load(void) { fputs("no such luck\\n", stderr); _Exit(3); }
    int s2sam_fake_driver;`,
};

/** A libcuda.so.1; put its folder into LD_LIBRARY_PATH. */
export const fakeDriver = (folder: string, kind: keyof typeof driverSources): string =>
  compileLibrary(join(folder, 'libcuda.so.1'), driverSources[kind], '-Wl,-soname,libcuda.so.1');

/** An addon that needs the driver in `folder` and exports what the text in S2SAM_SCRIPTED_ADDON evaluates to. */
export function scriptedAddon(folder: string): string {
  const source = readFileSync(fileURLToPath(new URL('../fixtures/scripted-addon.c', import.meta.url)), 'utf8');
  const link = ['-Wl,--no-as-needed', '-Wl,-rpath,$ORIGIN', `-L${folder}`, '-l:libcuda.so.1'];
  return compileLibrary(join(folder, 's2sam_cuda.node'), source, '-I', headers, ...link);
}

export interface Script {
  readonly devices?: BackendInfo['devices'];
  readonly build?: Record<string, string>;
  readonly backend?: string;
  /** What a library tells as its version; others tell the one that is expected. */
  readonly versions?: Record<string, string>;
}

/** For S2SAM_SCRIPTED_ADDON: a CUDA backend with these devices. Its build names what was named to useLibraries. */
export const script = ({ devices = [], build = {}, backend = 'cuda', versions = {} }: Script): string => `(() => {
  const expected = { cublasLt: '13.1.2', cublas: '13.1.2', nvJitLink: '13.0', cusparse: '12.6.3', cudnn: '9.24.0+cuda13.0' };
  const addon = {};
  let libraries = {};
  for (const name of ${JSON.stringify(functionNames)}) addon[name] = () => { throw new Error('only a fake: ' + name); };
  const said = ([name, path]) => [name, ({ ...expected, ...${JSON.stringify(versions)} })[name] + ' ' + path];
  addon.useLibraries = (paths) => void (libraries = paths);
  addon.info = () => ({
    version: ${JSON.stringify(version)},
    backend: ${JSON.stringify(backend)},
    devices: ${JSON.stringify(devices)},
    compiledIsas: ['sm_80', 'sm_90', 'compute_90'],
    build: { runtime: 'CUDA 13.0', driver: 'CUDA 13.0', compiler: 'fake',
      ...${JSON.stringify(build)}, ...Object.fromEntries(Object.entries(libraries).map(said)) },
  });
  addon.openDevice = (index) => 100 + index;
  addon.closeDevice = () => {};
  addon.deviceInfo = (device) => ({ kind: 'cuda', name: addon.info().devices[device - 100].name, isa: '', threads: 1 });
  return addon;
})()`;

export const h200 = { name: 'NVIDIA H200', memoryBytes: 150e9, isa: 'sm_90' };
export const a100 = { name: 'NVIDIA A100', memoryBytes: 80e9, isa: 'sm_80' };
export const t4 = { name: 'Tesla T4', memoryBytes: 16e9, isa: 'sm_75' };
