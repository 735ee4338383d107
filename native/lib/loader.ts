import { type Backend, candidates, checkIdentity, cpu, cuda, dlopen, explain } from './binary.js';
import type { NativeBinding } from './binding.js';
import { inspectCuda } from './cuda/inspect.js';
import { checkElf } from './elf.js';
import { DeviceUnavailableError } from './errors.js';
import { withTypedErrors } from './wrap.js';

function open(backend: Backend, path: string): NativeBinding {
  if (process.platform === 'linux') checkElf(path);
  const binding = dlopen(path);
  checkIdentity(backend, binding.info?.(), Object.keys(binding));
  return binding as NativeBinding;
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

let loadedCuda: NativeBinding | undefined;

/**
 * The CUDA backend's binding, loaded at the first call, after a process of its own has loaded it without harm (see `inspectCuda`).
 * Looked for like the CPU's, with S2SAM_CUDA_BINARY; NVIDIA's libraries are looked for in: S2SAM_CUDA_LIBS (folders, divided by
 * colons), the CUDA toolkit, this package's .cuda, the active Python environment, the system.
 * @throws DeviceUnavailableError when CUDA cannot be used, with the reason.
 */
export function loadCuda(): NativeBinding {
  loadedCuda ??= openCuda();
  return loadedCuda;
}

function openCuda(): NativeBinding {
  const { reason, binary, libraries } = inspectCuda();
  const refuse = (why: string) => new DeviceUnavailableError(`CUDA cannot be used: ${why}`, { op: 'load' });
  if (reason !== '' || binary === undefined) throw refuse(reason);
  try {
    const binding = withTypedErrors(open(cuda, binary));
    const used = libraries.filter((library) => library.reason === '');
    binding.useLibraries(Object.fromEntries(used.map(({ name, path }) => [name, path ?? ''])));
    return binding;
  } catch (error) {
    throw refuse(`${binary}: ${explain(error)}`);
  }
}
