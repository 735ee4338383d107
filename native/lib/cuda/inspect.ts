import { type Candidate, candidates, checkIdentity, cuda, explain, wishedBinary } from '../binary.js';
import type { BackendInfo } from '../binding.js';
import { checkElf } from '../elf.js';
import { checkCapability } from './capability.js';
import { type CudaDriver, DRIVER_LIBRARY, findDriver } from './driver.js';
import { type CudaLibraryName, findLibraries, type LibraryPaths, libraryFiles, libraryNames } from './libraries.js';
import { probe } from './probe.js';

export interface CudaLibrary {
  readonly name: CudaLibraryName;
  /** File name by which it is looked for, e.g. libcudnn.so.9. */
  readonly file: string;
  readonly path: string | undefined;
  /** As the library itself tells; undefined where it does not, or was not asked. */
  readonly version: string | undefined;
  /** Why it is not used; empty if it is. */
  readonly reason: string;
}

export interface CudaDevice {
  /** N of cuda:N. */
  readonly index: number;
  readonly name: string;
  readonly memoryBytes: number;
  /** Compute capability, e.g. sm_90. */
  readonly isa: string;
  /** Why it cannot be used; empty if it can. */
  readonly reason: string;
}

/** What was found out about CUDA on this machine. */
export interface CudaReport {
  /** In one line, why CUDA cannot be used; empty if it can. */
  readonly reason: string;
  readonly driver: CudaDriver | undefined;
  /** Path of the binary that is used, or that failed. */
  readonly binary: string | undefined;
  readonly libraries: readonly CudaLibrary[];
  readonly devices: readonly CudaDevice[];
  /** What the binary tells of itself and the driver; see BackendInfo.build. */
  readonly build: Readonly<Record<string, string>>;
}

/** The binary's own words, once a trial process has loaded it. */
interface Trial {
  readonly binary: string;
  readonly info: BackendInfo;
}

/** Of every library; see libraries.ts. */
const CUDA_MAJOR = '13';

class Unusable extends Error {
  constructor(
    message: string,
    readonly binary?: string,
  ) {
    super(message);
  }
}

function tryOne({ where, resolve }: Candidate, paths: LibraryPaths): Trial {
  let binary: string | undefined;
  try {
    binary = resolve();
    checkElf(binary);
    const { info, functions } = probe(binary, paths);
    checkIdentity(cuda, info, functions);
    return { binary, info: info as BackendInfo };
  } catch (error) {
    throw new Unusable(`${where}: ${explain(error)}`, binary);
  }
}

/** The first candidate that loads. Throws Unusable with what is wrong with each. */
function tryBinaries(paths: LibraryPaths): Trial {
  const failures: Unusable[] = [];
  for (const candidate of candidates(cuda)) {
    try {
      return tryOne(candidate, paths);
    } catch (error) {
      failures.push(error as Unusable);
    }
  }
  const tried = failures.map(({ message }) => message).join('; ');
  const binary = failures.find((failure) => failure.binary !== undefined)?.binary;
  throw new Unusable(
    `no usable ${cuda.binary} (${tried}); ${cuda.remedy}, or set ${cuda.variable} to its path`,
    binary,
  );
}

/** A binary that was asked for by its path is looked at before anything else, so that a wrong path is not hidden by it. */
function checkWishedBinary(): void {
  if (wishedBinary(cuda) === undefined) return;
  for (const { where, resolve } of candidates(cuda)) {
    try {
      checkElf(resolve());
    } catch (error) {
      throw new Unusable(`${where}: ${explain(error)}`);
    }
  }
}

function checkDriver(driver: CudaDriver | undefined): void {
  if (process.platform !== 'linux')
    throw new Unusable(`CUDA is supported on Linux only, and this is ${process.platform}`);
  if (driver !== undefined) return;
  throw new Unusable(
    `no NVIDIA driver was found (${DRIVER_LIBRARY}); install driver 580 or newer, and start containers with access to the GPUs`,
  );
}

/** What does not fit about a version, e.g. 9.24.0+cuda13.0; empty if it fits. */
function wrongVersion(file: string, version: string): string {
  const needed = /\.so\.(\d+)$/.exec(file)?.[1];
  const [, major, cudaMajor = CUDA_MAJOR] = /^(\d+)[^+]*(?:\+cuda(\d+))?/.exec(version) ?? [];
  if (major !== needed) return `of version ${version}, but ${needed} is needed`;
  return cudaMajor === CUDA_MAJOR ? '' : `for CUDA ${cudaMajor}, but one for CUDA ${CUDA_MAJOR} is needed`;
}

/** One library, from where it lies and what the trial process said of it: "9.24.0 /path", "/path", or what went wrong. */
function describeLibrary(name: CudaLibraryName, path: string | undefined, said: string | undefined): CudaLibrary {
  const file = libraryFiles[name];
  const one = { name, file, path, version: undefined };
  if (path === undefined) return { ...one, reason: `${file} was not found` };
  if (said === undefined || said === path) return { ...one, reason: '' };
  if (!said.endsWith(` ${path}`)) return { ...one, reason: `${path} cannot be opened: ${said}` };
  const version = said.slice(0, -path.length - 1);
  const wrong = wrongVersion(file, version);
  return { ...one, version, reason: wrong === '' ? '' : `${path} is ${wrong}` };
}

function describeDevices({ devices, compiledIsas }: BackendInfo): CudaDevice[] {
  return devices.map(({ name, memoryBytes, isa = '' }, index) => {
    return { index, name, memoryBytes, isa, reason: checkCapability(isa, compiledIsas) };
  });
}

/** Why none of the devices serves; empty if one does. */
function reasonOfDevices(devices: readonly CudaDevice[], build: Readonly<Record<string, string>>): string {
  if (devices.some(({ reason }) => reason === '')) return '';
  const [first] = devices;
  if (first !== undefined) return `${first.name} cannot be used: ${first.reason}`;
  const { problem = 'it reports no GPU', driver = 'unknown', runtime = 'unknown' } = build;
  return `the NVIDIA driver offers no device: ${problem} (the driver is for ${driver}, the binary for ${runtime})`;
}

const describeLibraries = (paths: LibraryPaths, build: Readonly<Record<string, string>>): CudaLibrary[] =>
  libraryNames.map((name) => describeLibrary(name, paths[name], build[name]));

function unusable({ message, binary }: Unusable, driver: CudaDriver | undefined): CudaReport {
  let libraries: CudaLibrary[] | undefined;
  return {
    reason: message,
    driver,
    binary,
    devices: [],
    build: {},
    /** Looked for when asked for: without a driver hardly anybody wants to know, and asking Python takes its time. */
    get libraries() {
      libraries ??= describeLibraries(findLibraries(), {});
      return libraries;
    },
  };
}

function inspect(): CudaReport {
  const driver = findDriver();
  try {
    checkWishedBinary();
    checkDriver(driver);
    const paths = findLibraries();
    const { binary, info } = tryBinaries(paths);
    const { build } = info;
    const devices = describeDevices(info);
    return {
      reason: reasonOfDevices(devices, build),
      driver,
      binary,
      devices,
      build,
      libraries: describeLibraries(paths, build),
    };
  } catch (error) {
    if (!(error instanceof Unusable)) throw error;
    return unusable(error, driver);
  }
}

let report: CudaReport | undefined;

/**
 * Finds out, once per process, whether CUDA can be used here: the driver, NVIDIA's libraries, our binary, which a process of its own
 * loads first, and the devices. Never throws.
 */
export function inspectCuda(): CudaReport {
  report ??= inspect();
  return report;
}
