import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { root } from '../binary.js';
import { systemLibrary } from './systemLibrary.js';

/** NVIDIA's libraries that the CUDA backend opens: file names of the one family (CUDA 13, cuDNN 9) it is written for. */
export const libraryFiles = {
  cublasLt: 'libcublasLt.so.13',
  cublas: 'libcublas.so.13',
  nvJitLink: 'libnvJitLink.so.13',
  cusparse: 'libcusparse.so.12',
  cudnn: 'libcudnn.so.9',
} as const;

export type CudaLibraryName = keyof typeof libraryFiles;
export const libraryNames = Object.keys(libraryFiles) as CudaLibraryName[];

/** Libraries that call each other must be of one version, so they are taken from one folder. */
const groups: readonly (readonly CudaLibraryName[])[] = [['cublasLt', 'cublas'], ['nvJitLink', 'cusparse'], ['cudnn']];

const entries = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);

/** `nvidia/<package>/lib` of a folder that pip installs into. */
const wheelFolders = (site: string): string[] =>
  entries(join(site, 'nvidia')).map((name) => join(site, 'nvidia', name, 'lib'));

function toolkitFolders(): string[] {
  const homes = [process.env.CUDA_HOME, process.env.CUDA_PATH, '/usr/local/cuda'];
  return homes.filter((home) => home !== undefined && home !== '').flatMap((home) => [`${home}/lib64`, `${home}/lib`]);
}

/** Of the active virtual environment. */
function environmentFolders(): string[] {
  const home = process.env.VIRTUAL_ENV;
  if (home === undefined || home === '') return [];
  const versions = entries(join(home, 'lib')).filter((name) => name.startsWith('python3'));
  return versions.flatMap((name) => wheelFolders(join(home, 'lib', name, 'site-packages')));
}

/** Of the `python3` on PATH. */
function pythonFolders(): string[] {
  const program = 'import sysconfig; print(sysconfig.get_paths()["purelib"])';
  const { status, stdout } = spawnSync('python3', ['-c', program], { encoding: 'utf8', timeout: 10_000 });
  return status === 0 ? wheelFolders(stdout.trim()) : [];
}

/** Folders of the system's loader that have any of the files. */
function systemFolders(): string[] {
  const paths = Object.values(libraryFiles).map(systemLibrary);
  return [...new Set(paths.flatMap((path) => (path === undefined ? [] : [dirname(path)])))];
}

/** Folders to look into, best first, in steps; later steps cost more and are taken only when needed. */
const places: readonly (() => string[])[] = [
  () => (process.env.S2SAM_CUDA_LIBS ?? '').split(delimiter).filter((folder) => folder !== ''),
  toolkitFolders,
  () => wheelFolders(`${root}.cuda`),
  environmentFolders,
  pythonFolders,
  systemFolders,
];

export type LibraryPaths = Partial<Record<CudaLibraryName, string>>;

/** Path of each library that was found; those that belong together come from one folder. */
export function findLibraries(): LibraryPaths {
  const found: LibraryPaths = {};
  let missing = groups;
  for (const place of places) {
    if (missing.length === 0) break;
    const folders = place();
    missing = missing.filter((group) => {
      const folder = folders.find((one) => group.every((name) => existsSync(join(one, libraryFiles[name]))));
      if (folder === undefined) return true;
      for (const name of group) found[name] = join(folder, libraryFiles[name]);
      return false;
    });
  }
  return found;
}
