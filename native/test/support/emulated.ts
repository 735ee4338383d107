import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { NativeBinding } from '../../lib/binding.js';

const folder = fileURLToPath(new URL('../../build/Emulated/', import.meta.url));
const binary = `${folder}s2sam_cuda.node`;
const libraries = `${folder}emulated_libraries.so`;

/** Why there is no emulated CUDA device, or ''. `node native/test/emulated_cuda/build.mjs` makes one. */
export const emulatedMissing =
  existsSync(binary) && existsSync(libraries) ? '' : 'native/test/emulated_cuda is not built';

/** The CUDA backend with its kernels run on the CPU, and a stand-in for each of NVIDIA's libraries named. */
export function loadEmulated(names: readonly ('cublas' | 'cudnn' | 'cusparse' | 'nvJitLink')[]): NativeBinding {
  const loaded = { exports: {} as NativeBinding };
  process.dlopen(loaded as unknown as NodeJS.Module, binary, constants.dlopen.RTLD_NOW);
  loaded.exports.useLibraries(Object.fromEntries(names.map((name) => [name, libraries])));
  return loaded.exports;
}
