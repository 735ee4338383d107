// Which fused operations of ResNet-50's training cuDNN makes plans for, and on a GPU how fast they are. Usage: npm run bench -- cudnn --help
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { findLibraries } from '../native/dist/cuda/libraries.js';
import { buildProgram, survey } from './cudnn/program.mjs';
import { bestOf, cellOf, summarize } from './cudnn/summary.mjs';
import { describeGpu, describeMachine } from './lib/machine.mjs';
import { table } from './lib/table.mjs';

const HELP = `npm run bench -- cudnn [options]   (needs cuDNN, and a GPU only with --run)

  --dtype LIST        types of images and weights: f16, bf16     [f16,bf16]
  --batch N           images per batch                           [256]
  --compile N         of engines that compile their kernels, how many to try per pattern and layer   [1]
  --pattern TEXT      only patterns whose names contain this
  --layer TEXT        only layers whose names contain this
  --run               time the plans on the first GPU, instead of planning for an NVIDIA H200 that is only described
  --rounds N          with --run: measurements of each plan      [5]
  --json FILE         write what was found`;

const options = {
  dtype: { type: 'string', default: 'f16,bf16' },
  batch: { type: 'string', default: '256' },
  compile: { type: 'string', default: '1' },
  pattern: { type: 'string', default: '' },
  layer: { type: 'string', default: '' },
  run: { type: 'boolean', default: false },
  rounds: { type: 'string', default: '5' },
  json: { type: 'string' },
  help: { type: 'boolean', default: false },
};

function settingsOf(values) {
  const settings = {
    dtypes: values.dtype.split(','),
    batch: Number(values.batch),
    compile: Number(values.compile),
    pattern: values.pattern,
    layer: values.layer,
    rounds: values.run ? Number(values.rounds) : 0,
  };
  const atLeast = (least, number) => Number.isInteger(number) && number >= least;
  const check = (ok, name) => {
    if (!ok) throw new Error(`--${name} ${values[name]} makes no sense\n${HELP}`);
  };
  check(
    settings.dtypes.every((dtype) => ['f16', 'bf16'].includes(dtype)),
    'dtype',
  );
  check(atLeast(1, settings.batch), 'batch');
  check(atLeast(0, settings.compile), 'compile');
  check(!values.run || atLeast(1, settings.rounds), 'rounds');
  return settings;
}

/** Types one after the other where they are timed, at the same time where they are only planned. */
async function surveyAll(library, { dtypes, ...settings }) {
  const ask = async (dtype) => {
    let count = 0;
    const each = () => {
      if (++count % 100 === 0) console.log(`${dtype}: ${count} cases`);
    };
    return survey({ library, dtype, ...settings, each });
  };
  if (settings.rounds === 0) return Promise.all(dtypes.map(ask));
  const found = [];
  for (const dtype of dtypes) found.push(await ask(dtype));
  return found;
}

function rowsOf(cases, dtypes) {
  const rows = new Map();
  for (const one of cases) {
    const key = `${one.pattern}\n${one.layer}`;
    rows.set(key, [...(rows.get(key) ?? []), one]);
  }
  return [...rows].map(([key, group]) => [
    ...key.split('\n'),
    ...dtypes.map((dtype) => cellOf(bestOf(group.filter((one) => one.dtype === dtype)))),
  ]);
}

const versionOf = (number) => [Math.floor(number / 10_000), Math.floor(number / 100) % 100, number % 100].join('.');

/** As JSON with a line for each case. */
function written(head, cases) {
  const lines = cases.map((one) => `    ${JSON.stringify(one)}`).join(',\n');
  return `${JSON.stringify(head, null, 2).slice(0, -2)},\n  "cases": [\n${lines}\n  ]\n}\n`;
}

/** `built`: take the program that is there. */
export async function run(args, { built = false } = {}) {
  const { values } = parseArgs({ args, options });
  if (values.help) return console.log(HELP);
  const settings = settingsOf(values);
  const { cudnn: library } = findLibraries();
  if (library === undefined) throw new Error('libcudnn.so.9 was not found; `npm run cuda:fetch` fetches it');
  if (!built) await buildProgram();
  const machine = describeMachine();
  const found = await surveyAll(library, settings);
  const cases = found.flatMap((one) => one.cases.map(summarize));
  console.log(table(['pattern', 'layer', ...settings.dtypes], rowsOf(cases, settings.dtypes), [0, 1, 2, 3]));
  if (values.json === undefined) return;
  const { cudnn, driver } = found[0].about;
  const device = values.run ? { described: false, ...describeGpu() } : { described: true, name: 'NVIDIA H200', driver };
  machine.versions.cudnn = versionOf(cudnn);
  const head = { benchmark: 'cudnn', ...machine, options: settings, rounds: settings.rounds, device };
  writeFileSync(values.json, written(head, cases));
}
