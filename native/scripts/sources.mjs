// native/sources.json is the one list of source files. binding.gyp runs this as `node scripts/sources.mjs GROUP...`; CMake reads the
// file itself.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/** @returns {Record<'addon' | 'images' | 'cpu' | 'cpuKernels' | 'cuda' | 'cudaKernels', string[]>} paths relative to native/ */
export const readSources = () => JSON.parse(readFileSync(new URL('../sources.json', import.meta.url), 'utf8'));

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const sources = readSources();
  for (const group of process.argv.slice(2)) {
    if (sources[group] === undefined) throw new Error(`sources.json has no group '${group}'`);
    console.log(sources[group].join('\n'));
  }
}
