import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** How `ldconfig -p` marks libraries for this processor, and where such libraries lie when it does not know them. */
const machines: Record<string, { mark: string; folder: string }> = {
  x64: { mark: 'x86-64', folder: 'x86_64-linux-gnu' },
  arm64: { mark: 'AArch64', folder: 'aarch64-linux-gnu' },
};

let cache: Map<string, string> | undefined;

/** File name -> path, as in the cache of the system's loader. */
function loaderCache(): Map<string, string> {
  if (cache !== undefined) return cache;
  cache = new Map();
  const mark = machines[process.arch]?.mark ?? '';
  const tried = ['/sbin/ldconfig', 'ldconfig'].map((program) => spawnSync(program, ['-p'], { encoding: 'utf8' }));
  const text = tried.find(({ status }) => status === 0)?.stdout ?? '';
  for (const [, file = '', kind = '', path = ''] of text.matchAll(/^\s*(\S+) \(([^)]*)\) => (\S+)$/gm)) {
    if (kind.includes(mark) && !cache.has(file)) cache.set(file, path);
  }
  return cache;
}

/**
 * Where the system's loader finds a library of this name: LD_LIBRARY_PATH, its cache, the standard folders (and where WSL puts the
 * driver). Opens nothing.
 */
export function systemLibrary(file: string): string | undefined {
  const wished = (process.env.LD_LIBRARY_PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const multiarch = machines[process.arch]?.folder ?? '';
  const standard = [`/usr/lib/${multiarch}`, `/lib/${multiarch}`, '/usr/lib64', '/usr/lib', '/lib', '/usr/lib/wsl/lib'];
  const inFolder = (folder: string): string | undefined => [join(folder, file)].find((path) => existsSync(path));
  for (const folder of wished) {
    const path = inFolder(folder);
    if (path !== undefined) return path;
  }
  const known = loaderCache().get(file);
  if (known !== undefined && existsSync(known)) return known;
  return standard.map(inFolder).find((path) => path !== undefined);
}
