// Writes the performance tables of README.md from bench/results. Usage: npm run bench:report [-- --check]; with --check nothing is
// written, and it fails where README.md says something else.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fill, sections } from './lib/report.mjs';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const folder = at('results/');
const results = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => ({ file, result: JSON.parse(readFileSync(`${folder}${file}`, 'utf8')) }));

const readme = readFileSync(at('../README.md'), 'utf8');
const wanted = fill(readme, sections(results));
if (!process.argv.includes('--check')) {
  writeFileSync(at('../README.md'), wanted);
} else if (wanted !== readme) {
  console.error('README.md does not say what bench/results says; run `npm run bench:report`');
  process.exitCode = 1;
}
