// What a training step does after its backward pass: our optimizers alone, beside PyTorch's over the same parameters, in turn.
// Usage: npm run bench -- optimizer --help
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createModel, modelNames, OptimizerState, openDevice, s2sam, sgd } from '@s2sam/core';
import { measure, printCaveats, reason, roundsOf } from './lib/contest.mjs';
import { describeMachine } from './lib/machine.mjs';
import { sparsify } from './lib/ours.mjs';
import { findPython, Peer } from './lib/peer.mjs';
import { median, pairedRatio } from './lib/stats.mjs';
import { table } from './lib/table.mjs';

const HELP = `npm run bench -- optimizer [options]
  --device NAME     cpu, cuda, cuda:N                  default cpu
  --model NAME      whose parameters                   default resnet50
  --classes N                                          default 1000
  --dtype TYPE      f32, f16 or bf16: the network's    default f32
  --sparsity LIST   of weights, random masks           default 0,0.9
  --pairs N         rounds: measurements of each, in turn   default 5
  --seconds S       least length of one measurement    default 1
  --limit S         begin no further round after this many seconds in all
  --json FILE       write everything there
PyTorch runs in $S2SAM_PYTHON (default python3).`;

const OPTIONS = {
  device: { type: 'string', default: 'cpu' },
  model: { type: 'string', default: 'resnet50' },
  classes: { type: 'string', default: '1000' },
  dtype: { type: 'string', default: 'f32' },
  sparsity: { type: 'string', default: '0,0.9' },
  pairs: { type: 'string', default: '5' },
  seconds: { type: 'string', default: '1' },
  limit: { type: 'string', default: '86400' },
  json: { type: 'string' },
  help: { type: 'boolean', default: false },
};

const OPTIMIZERS = { sgd: (base) => base, s2sam: (base) => s2sam(base) };
const FORMS = ['sgd', 'foreach', 'per-tensor'];
/** Steps enqueued before waiting for the device. */
const AHEAD = 100;

const layoutName = (sparsity) => (sparsity === 0 ? 'dense' : `at sparsity ${sparsity}`);

/** Our optimizer on the parameters of a model whose gradient is random and stays, one recorded step after the other. */
class Ours {
  #device;
  #model;
  #state;
  #graph;

  constructor(device, { model, classes, dtype }, optimizer, sparsity) {
    this.name = `s2sam ${optimizer} ${layoutName(sparsity)}`;
    Object.assign(this, { optimizer, sparsity });
    this.#device = device;
    this.#model = createModel(model, { device, classes, dtype });
    if (sparsity > 0) sparsify(this.#model, sparsity, 'uniform');
    const base = sgd({ lr: 0.01, momentum: 0.9, weightDecay: 5e-4 });
    this.#state = new OptimizerState(this.#model, OPTIMIZERS[optimizer](base));
    this.#state.prepare({ step: 0, totalSteps: 1_000_000, stepsPerEpoch: 1000 });
    const { arena } = this.#model;
    device.native.randomNormal(arena.gradient.handle, 1, 2, 0, 0.01);
    this.#graph = device.capture(() => this.#state.step());
    this.parameters = arena.parameters.reduce((sum, { size }) => sum + size, 0);
  }

  async run(steps) {
    await this.#device.synchronize();
    const begin = performance.now();
    for (let i = 1; i <= steps; i++) {
      this.#graph.replay();
      if (i % AHEAD === 0) await this.#device.synchronize();
    }
    await this.#device.synchronize();
    return (performance.now() - begin) / 1000 / steps;
  }

  /** Bytes that a step reads and writes, as the ops count them. */
  async countBytes() {
    await this.#device.synchronize();
    this.#device.beginProfile();
    this.#state.step();
    const spans = await this.#device.endProfile();
    this.bytes = spans.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  close() {
    for (const one of [this.#graph, this.#state, this.#model]) one?.[Symbol.dispose]();
  }
}

async function startPeers(device, options, unmeasured) {
  const forms = device.kind === 'cuda' ? [...FORMS, 'per-tensor-graphed'] : FORMS;
  const wanted = options.sparsities.flatMap((sparsity) => forms.map((form) => ({ form, sparsity })));
  const python = findPython();
  const started = [];
  for (const { form, sparsity } of wanted) {
    const name = `pytorch ${form === 'sgd' ? 'sgd' : `s2sam ${form}`} ${layoutName(sparsity)}`;
    try {
      if (python === undefined) throw new Error('no Python with torch here');
      const values = { model: options.model, classes: options.classes, form, sparsity, device: device.kind };
      const args = Object.entries({ ...values, threads: device.threads }).flatMap(([key, value]) => [
        `--${key}`,
        String(value),
      ]);
      started.push(Object.assign(await Peer.startOptimizer(name, python, args), { form, sparsity }));
    } catch (error) {
      unmeasured.push({ what: name, why: reason(error) });
    }
  }
  return started;
}

/** Our S2-SAM over each form of PyTorch's, and what S2-SAM costs over SGD, ours and theirs; ratios within rounds. */
function ratiosOf(contestants) {
  const ratio = (what, a, b) => (a && b ? [{ what, ...pairedRatio(a.secondsPerStep, b.secondsPerStep) }] : []);
  const find = (wanted) =>
    contestants.find((one) => Object.entries(wanted).every(([key, value]) => one[key] === value));
  const sparsities = [...new Set(contestants.map(({ sparsity }) => sparsity))];
  return sparsities.flatMap((sparsity) => {
    const mine = find({ optimizer: 's2sam', sparsity });
    const others = contestants.filter((one) => one.form !== undefined && one.sparsity === sparsity);
    const at = layoutName(sparsity);
    return [
      ...others.flatMap((one) => ratio(`${one.name} / s2sam s2sam ${at}, time`, one, mine)),
      ...ratio(`s2sam s2sam / s2sam sgd ${at}, time`, mine, find({ optimizer: 'sgd', sparsity })),
      ...ratio(
        `pytorch s2sam foreach / pytorch sgd ${at}, time`,
        find({ form: 'foreach', sparsity }),
        find({ form: 'sgd', sparsity }),
      ),
    ];
  });
}

function print(result) {
  const rows = result.contestants.map(({ name, microseconds, bytesPerParameter, gigabytesPerSecond }) => [
    name,
    microseconds.toFixed(1),
    bytesPerParameter?.toFixed(2) ?? '',
    gigabytesPerSecond?.toFixed(1) ?? '',
  ]);
  console.log(`\n${table(['', 'us/step', 'bytes per parameter', 'GB/s'], rows)}`);
  const lines = result.ratios.map((one) => [one.what, one.median.toFixed(3), one.min.toFixed(3), one.max.toFixed(3)]);
  console.log(`\n${table(['ratio', 'median', 'min', 'max'], lines)}`);
  printCaveats(result);
}

function describe({ name, secondsPerStep, steps, parameters, bytes, ready }) {
  const seconds = median(secondsPerStep);
  const traffic =
    bytes === undefined ? {} : { bytesPerParameter: bytes / parameters, gigabytesPerSecond: bytes / seconds / 1e9 };
  return { name, microseconds: seconds * 1e6, ...traffic, steps, secondsPerStep, ready };
}

async function compare(device, options) {
  const about = describeMachine(device);
  const unmeasured = [];
  const all = [];
  try {
    for (const sparsity of options.sparsities) {
      for (const optimizer of Object.keys(OPTIMIZERS)) all.push(new Ours(device, options, optimizer, sparsity));
    }
    for (const one of all) await one.countBytes();
    all.push(...(await startPeers(device, options, unmeasured)));
    const otherPrograms = await measure(all, unmeasured, options);
    const measured = all.filter(({ failed }) => !failed);
    return {
      benchmark: 'optimizer',
      ...about,
      options,
      otherPrograms,
      rounds: roundsOf(measured),
      contestants: measured.map(describe),
      ratios: ratiosOf(measured),
      unmeasured,
    };
  } finally {
    for (const one of all) await one.close();
  }
}

export async function run(args) {
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.help) return console.log(HELP);
  if (!modelNames.includes(values.model)) throw new Error(`--model ${values.model} makes no sense\n${HELP}`);
  const options = {
    device: values.device,
    model: values.model,
    classes: Number(values.classes),
    dtype: values.dtype,
    sparsities: values.sparsity.split(',').map(Number),
    pairs: Number(values.pairs),
    seconds: Number(values.seconds),
    limit: Number(values.limit),
  };
  const device = await openDevice(options.device);
  try {
    const result = await compare(device, options);
    print(result);
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
  } finally {
    await device[Symbol.asyncDispose]();
  }
}
