import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve as absolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BackendInfo, NativeBinding } from './binding.js';
import { functionNames } from './functions.js';

const require = createRequire(import.meta.url);
/** Of this package; lib/ and dist/ both lie right below it. */
export const root = fileURLToPath(new URL('..', import.meta.url));
export const { version } = require('../package.json') as { version: string };

/** A backend: its binary's name and how a user gets one. */
export interface Backend {
  readonly name: 'cpu' | 'cuda';
  readonly binary: string;
  /** Environment variable with the path of the one binary to use. */
  readonly variable: string;
  /** The package that brings the binary ready-made. */
  readonly platformPackage: string;
  readonly remedy: string;
}

export const platformPackage = `@s2sam/native-${process.platform}-${process.arch}`;

export const cpu: Backend = {
  name: 'cpu',
  binary: 's2sam_cpu.node',
  variable: 'S2SAM_CPU_BINARY',
  platformPackage,
  remedy: 'build it with `npm run setup` in the repository (needs a C++20 compiler)',
};

export const cuda: Backend = {
  name: 'cuda',
  binary: 's2sam_cuda.node',
  variable: 'S2SAM_CUDA_BINARY',
  platformPackage: `${platformPackage}-cuda`,
  remedy: 'build it with `npm run cuda:fetch && npm run setup` in the repository (needs nvcc of CUDA 13)',
};

export interface Candidate {
  readonly where: string;
  /** Throws when there is no such file. */
  readonly resolve: () => string;
}

/** The path the user gave for a backend's binary, if any. */
export const wishedBinary = (backend: Pick<Backend, 'variable'>): string | undefined =>
  process.env[backend.variable] || undefined;

/** Where a backend's binary may be, best first. A path given by the user is never passed over for another. */
export function candidates(backend: Pick<Backend, 'binary' | 'variable' | 'platformPackage'>): Candidate[] {
  const wish = wishedBinary(backend);
  if (wish !== undefined) return [{ where: `${backend.variable}=${wish}`, resolve: () => existing(wish) }];
  const built = `${root}build/Release/${backend.binary}`;
  const file = `${backend.platformPackage}/${backend.binary}`;
  return [
    { where: built, resolve: () => existing(built) },
    { where: `package ${backend.platformPackage}`, resolve: () => require.resolve(file) },
  ];
}

function existing(path: string): string {
  if (!existsSync(path)) throw new Error('there is no such file');
  return path;
}

/** Throws unless what a binary says of itself is what this package can use. */
export function checkIdentity(backend: Backend, info: BackendInfo | undefined, functions: readonly string[]): void {
  if (info === undefined) throw new Error('it is not a binary of s2sam');
  if (info.backend !== backend.name) throw new Error(`it is a binary for the ${info.backend} backend`);
  if (info.version !== version) throw new Error(`it is of version ${info.version}, but this package is ${version}`);
  const missing = functionNames.filter((name) => !functions.includes(name));
  if (missing.length > 0) throw new Error(`it was built from other sources: ${missing.join(', ')} missing`);
}

/** Loads a binary into this process; what is at `path` has been checked to be whole. */
export function dlopen(path: string): Partial<NativeBinding> {
  // Not require(), which would run a file without the .node ending as JavaScript.
  const loaded: { exports: Partial<NativeBinding> } = { exports: {} };
  process.dlopen(loaded, absolute(path));
  return loaded.exports;
}

/** What the system's loader said, in a user's words; the original text follows where it tells more. */
export function explain(error: unknown): string {
  const text = error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error);
  const glibc = /version `((?:GLIBC|GLIBCXX|CXXABI)_[\d.]+)' not found/.exec(text)?.[1];
  if (glibc !== undefined) return `it was built for a newer system (needs ${glibc})`;
  const library = /(\S+\.so[.\d]*): cannot open shared object file/.exec(text)?.[1];
  if (library !== undefined) return `the system library ${library} is missing`;
  if (text.includes('did not self-register')) return 'it is not a Node.js addon';
  const symbol = /undefined symbol: (\S+)/.exec(text)?.[1];
  if (symbol !== undefined) return `it does not fit this Node.js or is an incomplete build (lacks ${symbol})`;
  if (/^Cannot find (module|package)/.test(text)) return 'it is not installed';
  return text;
}
