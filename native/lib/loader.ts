import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve as absolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NativeBinding } from './binding.js';
import { checkElf } from './elf.js';
import { DeviceUnavailableError } from './errors.js';
import { functionNames } from './functions.js';
import { withTypedErrors } from './wrap.js';

const require = createRequire(import.meta.url);
/** Of this package; lib/ and dist/ both lie right below it. */
const root = fileURLToPath(new URL('..', import.meta.url));
const { version } = require('../package.json') as { version: string };

/** A backend: its binary's name and how a user gets one. */
interface Backend {
  readonly name: 'cpu';
  readonly binary: string;
  /** Environment variable with the path of the one binary to use. */
  readonly variable: string;
  readonly remedy: string;
}

const cpu: Backend = {
  name: 'cpu',
  binary: 's2sam_cpu.node',
  variable: 'S2SAM_CPU_BINARY',
  remedy: 'build it with `npm run setup` in the repository (needs a C++20 compiler)',
};

interface Candidate {
  readonly where: string;
  /** Throws when there is no such file. */
  readonly resolve: () => string;
}

/** Where a backend's binary may be, best first. A path given by the user is never passed over for another. */
function candidates(backend: Backend): Candidate[] {
  const wish = process.env[backend.variable];
  if (wish !== undefined && wish !== '')
    return [{ where: `${backend.variable}=${wish}`, resolve: () => existing(wish) }];
  const built = `${root}build/Release/${backend.binary}`;
  const platformPackage = `@s2sam/native-${process.platform}-${process.arch}`;
  return [
    { where: built, resolve: () => existing(built) },
    { where: `package ${platformPackage}`, resolve: () => require.resolve(`${platformPackage}/${backend.binary}`) },
  ];
}

function existing(path: string): string {
  if (!existsSync(path)) throw new Error('there is no such file');
  return path;
}

function open(backend: Backend, path: string): NativeBinding {
  if (process.platform === 'linux') checkElf(path);
  // Not require(), which would run a file without the .node ending as JavaScript.
  const loaded: { exports: Partial<NativeBinding> } = { exports: {} };
  process.dlopen(loaded, absolute(path));
  const binding = loaded.exports;
  const info = binding.info?.();
  if (info === undefined) throw new Error('it is not a binary of s2sam');
  if (info.backend !== backend.name) throw new Error(`it is a binary for the ${info.backend} backend`);
  if (info.version !== version) throw new Error(`it is of version ${info.version}, but this package is ${version}`);
  const missing = functionNames.filter((name) => typeof binding[name] !== 'function');
  if (missing.length > 0) throw new Error(`it was built from other sources: ${missing.join(', ')} missing`);
  return binding as NativeBinding;
}

/** What the system's loader said, in a user's words; the original text follows where it tells more. */
function explain(error: unknown): string {
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

function load(backend: Backend): NativeBinding {
  const failures: string[] = [];
  const causes: unknown[] = [];
  for (const { where, resolve } of candidates(backend)) {
    try {
      return withTypedErrors(open(backend, resolve()));
    } catch (error) {
      failures.push(`  - ${where}: ${explain(error)}`);
      causes.push(error);
    }
  }
  const message =
    `the ${backend.name} backend cannot be loaded on ${process.platform}-${process.arch}, Node ${process.version}. Tried:\n` +
    `${failures.join('\n')}\nWhat helps: ${backend.remedy}, or set ${backend.variable} to the path of a binary.`;
  throw new DeviceUnavailableError(message, { op: 'load', cause: new AggregateError(causes) });
}

let loadedCpu: NativeBinding | undefined;

/**
 * The CPU backend's binding, loaded at the first call. Errors of its functions are S2Errors.
 *
 * Looked for in: the path in S2SAM_CPU_BINARY (then nowhere else), this package's build/Release, the platform package.
 * @throws DeviceUnavailableError naming every place that was tried and why it did not serve.
 */
export function loadCpu(): NativeBinding {
  loadedCpu ??= load(cpu);
  return loadedCpu;
}
