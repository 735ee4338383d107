import { type BackendInfo, loadCpu } from '@s2sam/native';
import { ArgumentError, DeviceUnavailableError } from '../errors.js';
import { Device } from './device.js';

/** `auto`: the best usable device. */
export type DeviceWish = 'auto' | 'cpu' | 'cuda' | `cuda:${number}`;

export interface OpenDeviceOptions {
  /** CPU threads. Default: one per core. */
  readonly threads?: number;
  /** Where `auto` says in one line what it chose instead of a GPU, and why. Default: standard error. */
  readonly notify?: (line: string) => void;
}

export interface DeviceDescription {
  /** What `openDevice` takes: `cpu`, `cuda:0`. */
  readonly id: DeviceWish;
  readonly kind: 'cpu' | 'cuda';
  readonly name: string;
  readonly memoryBytes: number;
  readonly usable: boolean;
  /** Why it is not usable; empty if it is. */
  readonly reason: string;
}

const noCuda = 'this version of s2sam has no CUDA backend';

const describeCpu = (info: BackendInfo): DeviceDescription => ({
  id: 'cpu',
  kind: 'cpu',
  name: info.devices[0]?.name ?? 'cpu',
  memoryBytes: info.devices[0]?.memoryBytes ?? 0,
  usable: true,
  reason: '',
});

/** Every device this machine could offer, with the reason where one is not usable. */
export function devices(): DeviceDescription[] {
  return [
    describeCpu(loadCpu().info()),
    { id: 'cuda', kind: 'cuda', name: 'cuda', memoryBytes: 0, usable: false, reason: noCuda },
  ];
}

/**
 * Opens a device: the argument, else the environment variable S2SAM_DEVICE, else `auto`. An explicit `cuda` never falls back.
 * Throws DeviceUnavailableError with the reason, ArgumentError for an unknown name.
 */
export async function openDevice(wish?: DeviceWish, options: OpenDeviceOptions = {}): Promise<Device> {
  const chosen = wish ?? process.env.S2SAM_DEVICE ?? 'auto';
  const { threads = 0, notify = (line: string) => process.stderr.write(`${line}\n`) } = options;
  if (!Number.isInteger(threads) || threads < 0) {
    throw new ArgumentError(`openDevice: threads is ${threads}; it must be a whole number, 0 for one per core`, {
      op: 'openDevice',
    });
  }
  if (/^cuda(:\d+)?$/.test(chosen)) {
    throw new DeviceUnavailableError(`openDevice: ${chosen} is not usable: ${noCuda}; use 'cpu' or 'auto'`, {
      op: 'openDevice',
    });
  }
  if (chosen !== 'auto' && chosen !== 'cpu') {
    throw new ArgumentError(`openDevice: unknown device '${chosen}'; it must be auto, cpu, cuda or cuda:N`, {
      op: 'openDevice',
    });
  }
  const native = loadCpu();
  if (chosen === 'auto') notify(`s2sam: using the CPU (${noCuda})`);
  return new Device(native, native.openDevice(0, threads));
}
