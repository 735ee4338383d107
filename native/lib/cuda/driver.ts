import { readFileSync } from 'node:fs';
import { systemLibrary } from './systemLibrary.js';

/** What NVIDIA's driver installs for programs. */
export const DRIVER_LIBRARY = 'libcuda.so.1';

export interface CudaDriver {
  /** Of libcuda.so.1. */
  readonly path: string;
  /** Of the kernel module, e.g. 580.82.07; undefined where the system does not tell (WSL). */
  readonly version: string | undefined;
}

function moduleVersion(): string | undefined {
  try {
    const text = readFileSync('/proc/driver/nvidia/version', 'utf8');
    return /Kernel Module.*?\s(\d+\.[\d.]+)/.exec(text)?.[1];
  } catch {
    return undefined;
  }
}

/** The NVIDIA driver of this machine, without loading it. */
export function findDriver(): CudaDriver | undefined {
  if (process.platform !== 'linux') return undefined;
  const path = systemLibrary(DRIVER_LIBRARY);
  return path === undefined ? undefined : { path, version: moduleVersion() };
}
