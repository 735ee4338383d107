import { type BackendInfo, type CudaDevice, type CudaReport, inspectCuda, loadCpu, loadCuda } from '@s2sam/native';
import { ArgumentError, DeviceUnavailableError } from '../errors.js';
import { Device } from './device.js';

/** `auto`: the best usable device. */
export type DeviceWish = 'auto' | 'cpu' | 'cuda' | `cuda:${number}`;

export interface OpenDeviceOptions {
  /** CPU threads. Default: one per core. */
  readonly threads?: number;
  /**
   * Takes lines for the user: what `auto` chose, and why not a GPU; which libraries a GPU has to do without. Default: standard
   * error.
   */
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

const describeCpu = (info: BackendInfo): DeviceDescription => ({
  id: 'cpu',
  kind: 'cpu',
  name: info.devices[0]?.name ?? 'cpu',
  memoryBytes: info.devices[0]?.memoryBytes ?? 0,
  usable: true,
  reason: '',
});

const describeCuda = ({ index, name, memoryBytes, reason }: CudaDevice): DeviceDescription => {
  return { id: `cuda:${index}`, kind: 'cuda', name, memoryBytes, usable: reason === '', reason };
};

/** Every device this machine could offer, with the reason where one is not usable; `cuda` stands for GPUs nobody could count. */
export function devices(): DeviceDescription[] {
  const cuda = inspectCuda();
  const none = { id: 'cuda', kind: 'cuda', name: 'cuda', memoryBytes: 0, usable: false, reason: cuda.reason } as const;
  return [describeCpu(loadCpu().info()), ...(cuda.devices.length > 0 ? cuda.devices.map(describeCuda) : [none])];
}

const unavailable = (wish: string, why: string): DeviceUnavailableError =>
  new DeviceUnavailableError(`openDevice: ${wish} is not usable: ${why}; use 'cpu' or 'auto'`, { op: 'openDevice' });

/** The GPU with the highest compute capability, then with the most memory, among those that can be used. */
function bestOf({ devices: all }: CudaReport): CudaDevice | undefined {
  const capability = ({ isa }: CudaDevice): number => Number(isa.replace(/\D/g, ''));
  const better = (a: CudaDevice, b: CudaDevice): number =>
    capability(b) - capability(a) || b.memoryBytes - a.memoryBytes || a.index - b.index;
  return all.filter(({ reason }) => reason === '').sort(better)[0];
}

/** The GPU that `cuda` or `cuda:N` means. Throws DeviceUnavailableError with the reason. */
function chooseCuda(wish: string): CudaDevice {
  const report = inspectCuda();
  if (report.devices.length === 0) throw unavailable(wish, report.reason);
  if (wish === 'cuda') {
    const best = bestOf(report);
    if (best === undefined) throw unavailable(wish, report.reason);
    return best;
  }
  const device = report.devices[Number(wish.slice('cuda:'.length))];
  if (device === undefined) {
    const ids = report.devices.map(({ index, name }) => `cuda:${index} (${name})`);
    throw unavailable(wish, `there is no such GPU; this machine has ${ids.join(', ')}`);
  }
  if (device.reason !== '') throw unavailable(wish, device.reason);
  return device;
}

function openCuda({ index }: CudaDevice, notify: (line: string) => void): Device {
  const native = loadCuda();
  const missing = inspectCuda().libraries.filter(({ reason }) => reason !== '');
  const why = missing.map(({ reason }) => reason).join(', ');
  if (why !== '')
    notify(`s2sam: cuda:${index} runs slower kernels in place of NVIDIA's: ${why} (see \`s2sam doctor\`)`);
  return new Device(native, native.openDevice(index, 0));
}

function openCpu(threads: number): Device {
  const native = loadCpu();
  return new Device(native, native.openDevice(0, threads));
}

function openBest(threads: number, notify: (line: string) => void): Device {
  const report = inspectCuda();
  const best = bestOf(report);
  if (best === undefined) {
    notify(`s2sam: using the CPU (${report.reason})`);
    return openCpu(threads);
  }
  notify(`s2sam: using cuda:${best.index} (${best.name})`);
  return openCuda(best, notify);
}

/**
 * Opens a device: the argument, else the environment variable S2SAM_DEVICE, else `auto`. An explicit `cuda` (the best GPU) or `cuda:N`
 * never falls back. Throws DeviceUnavailableError with the reason, ArgumentError for an unknown name.
 */
export async function openDevice(wish?: DeviceWish, options: OpenDeviceOptions = {}): Promise<Device> {
  const chosen = wish ?? process.env.S2SAM_DEVICE ?? 'auto';
  const { threads = 0, notify = (line: string) => process.stderr.write(`${line}\n`) } = options;
  if (!Number.isInteger(threads) || threads < 0) {
    throw new ArgumentError(`openDevice: threads is ${threads}; it must be a whole number, 0 for one per core`, {
      op: 'openDevice',
    });
  }
  if (/^cuda(:\d+)?$/.test(chosen)) return openCuda(chooseCuda(chosen), notify);
  if (chosen === 'cpu') return openCpu(threads);
  if (chosen === 'auto') return openBest(threads, notify);
  throw new ArgumentError(`openDevice: unknown device '${chosen}'; it must be auto, cpu, cuda or cuda:N`, {
    op: 'openDevice',
  });
}
