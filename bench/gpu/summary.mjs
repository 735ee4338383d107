// One table over everything gpu-check.sh left in a folder. Usage: node bench/gpu/summary.mjs FOLDER
// parts.tsv there has a line per part: name, exit code (124: out of time, left-out: not run), seconds.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { table } from '../lib/table.mjs';

const [folder] = process.argv.slice(2);
const read = (name) => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : '');

const outcomes = { 0: 'ok', 124: 'OUT OF TIME', 'left-out': 'left out' };

function suite() {
  const text = read('suite.json');
  if (text === '') return 'no results';
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(text);
  const failed = testResults.flatMap((file) =>
    file.status === 'failed' && file.assertionResults.every(({ status }) => status !== 'failed')
      ? [file.name.split('/').at(-1)]
      : file.assertionResults.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName),
  );
  const list = failed.length === 0 ? '' : `: ${failed.slice(0, 3).join('; ')}${failed.length > 3 ? '; ...' : ''}`;
  return `${numPassedTests} passed, ${numFailedTests} failed${list}`;
}

const lastLine = (name, pattern = /\S/) =>
  read(`${name}.log`)
    .split('\n')
    .findLast((line) => pattern.test(line))
    ?.trim() ?? 'no output';

/** Rows for a benchmark of contestants: each of them, each ratio, what was not measured. */
function benchmark(name) {
  const text = read(`${name}.json`);
  const { contestants, ratios, unmeasured, rounds } = text === '' ? {} : JSON.parse(text);
  if (contestants === undefined) return [];
  return [
    ...contestants.map((one) => [
      `  ${one.name}`,
      one.imagesPerSecond === undefined ? '' : `${one.imagesPerSecond.toFixed(1)} img/s`,
      '',
      `${(one.medianSecondsPerStep * 1000).toFixed(2)} ms/step, median of ${rounds}`,
    ]),
    ...ratios.map((one) => [
      `  ${one.what}`,
      one.median.toFixed(3),
      '',
      `${one.min.toFixed(3)} to ${one.max.toFixed(3)}`,
    ]),
    ...unmeasured.map(({ what, why }) => [`  ${what}`, 'NOT MEASURED', '', why]),
  ];
}

const details = {
  suite: () => suite(),
  memcheck: () => lastLine('memcheck', /ERROR SUMMARY|Error|left out/),
  racecheck: () => lastLine('racecheck', /RACECHECK SUMMARY|ERROR SUMMARY|Error|left out/),
  'profile-resnet50': () => lastLine('profile-resnet50', /^step /),
  'profile-resnet32': () => lastLine('profile-resnet32', /^step /),
};

const rows = read('parts.tsv')
  .trim()
  .split('\n')
  .flatMap((line) => {
    const [name, code, seconds] = line.split('\t');
    const own = [name, outcomes[code] ?? `FAILED (${code})`, seconds, details[name]?.() ?? lastLine(name)];
    return [own, ...benchmark(name)];
  });
console.log(table(['part', 'result', 's', ''], rows, [0, 3]));
