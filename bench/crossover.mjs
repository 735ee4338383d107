// Where skipping masked weights begins to pay: the products of ResNet-50 (its 1x1 convolutions and its classifier), dense by cuBLAS and
// sparse by cuSPARSE. What cuSPARSE refuses (a type in one of the passes) runs dense in both columns, so a ratio of 1 may mean that. Usage: npm run bench -- crossover --help
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { openDevice } from '@s2sam/core';
import { describeMachine } from './lib/machine.mjs';
import { median } from './lib/stats.mjs';
import { table } from './lib/table.mjs';

const HELP = `npm run bench -- crossover [options]   (needs a CUDA device)

  --device NAME       cuda or cuda:N                        [cuda]
  --batch N           images per batch                      [256]
  --dtype TYPE        f32, f16 or bf16                      [bf16]
  --sparsity LIST     shares of masked weights              [0.8,0.9,0.95,0.98]
  --repeats N         products per recorded step            [20]
  --json FILE         write what was measured`;

const options = {
  device: { type: 'string', default: 'cuda' },
  batch: { type: 'string', default: '256' },
  dtype: { type: 'string', default: 'bf16' },
  sparsity: { type: 'string', default: '0.8,0.9,0.95,0.98' },
  repeats: { type: 'string', default: '20' },
  json: { type: 'string' },
  help: { type: 'boolean', default: false },
};

/** The distinct products of ResNet-50 v1.5 at 224 x 224: [channels in, channels out, side of the images]. */
const SHAPES = [
  ...[64, 128, 256, 512].flatMap((inner, stage) => {
    const side = 56 >> stage;
    const reduceFirst = [stage === 0 ? 64 : 2 * inner, inner, stage === 0 ? side : 2 * side];
    return [reduceFirst, [inner, 4 * inner, side], [4 * inner, inner, side]];
  }),
  [2048, 1000, 1],
];

/** What `body` makes on the device lives until it returns. */
async function scoped({ native, handle }, body) {
  const tensors = [];
  const own = (tensor) => {
    tensors.push(tensor);
    return tensor;
  };
  const create = (dtype, shape, activation) => own(native.create(handle, dtype, shape, activation));
  try {
    return await body({ own, create });
  } finally {
    for (const tensor of tensors) native.dispose(tensor);
  }
}

/** Milliseconds of one product: the median over five replays of a recorded row of them. */
async function time({ native, handle }, repeats, product) {
  for (let i = 0; i < 3; i++) product();
  await native.synchronize(handle);
  native.captureBegin(handle);
  for (let i = 0; i < repeats; i++) product();
  const graph = native.captureEnd(handle);
  try {
    const times = [];
    for (let i = 0; i < 6; i++) {
      const begin = performance.now();
      native.replay(graph);
      await native.synchronize(handle);
      times.push((performance.now() - begin) / repeats);
    }
    return median(times.slice(1));
  } finally {
    native.disposeGraph(graph);
  }
}

/** The three products of one layer with weights masked to this sparsity: {forward, data, weight} in milliseconds. */
function timeLayer(device, { batch, dtype, repeats }, [channels, filters, side], sparsity) {
  const { native } = device;
  return scoped(device, async ({ own, create }) => {
    const count = channels * filters;
    const w32 = create('f32', [filters, channels, 1, 1], false);
    const bits = create('u32', [Math.ceil(count / 32)], false);
    const mask = native.createMask(bits, [filters, channels, 1, 1]);
    try {
      native.maskRandom(mask, Math.round(count * (1 - sparsity)), 1, channels);
      native.randomNormal(w32, 2, filters, 0, 0.05);
      native.maskApply(mask, w32, w32);
      const w = dtype === 'f32' ? w32 : own(native.cast(w32, dtype));
      const dw = create('f32', [filters, channels, 1, 1], false);
      const x = create(dtype, [batch, channels, side, side], true);
      const dy = create(dtype, [batch, filters, side, side], true);
      native.fill(x, 0.5);
      native.fill(dy, 0.25);
      const passing = { forward: () => native.conv2d(x, w, mask, 1, 1, 0, 0) };
      passing.data = () => native.conv2dBackwardData(dy, w, mask, side, side, 1, 1, 0, 0, 0);
      passing.weight = () => native.conv2dBackwardWeight(x, dy, dw, mask, 1, 1, 0, 0, false, false);
      const result = {};
      for (const [pass, product] of Object.entries(passing)) {
        const once = pass === 'weight' ? product : () => native.dispose(product());
        result[pass] = await time(device, repeats, once);
      }
      return result;
    } finally {
      native.disposeMask(mask);
    }
  });
}

/** Opens the device with one kind of engine for all products. */
async function withEngine(kind, id, body) {
  process.env.S2SAM_CUDA_CONV = kind;
  const device = await openDevice(id);
  try {
    return await body(device);
  } finally {
    delete process.env.S2SAM_CUDA_CONV;
    await device[Symbol.asyncDispose]();
  }
}

export async function run(args) {
  const { values } = parseArgs({ args, options });
  if (values.help) return console.log(HELP);
  const settings = { batch: Number(values.batch), dtype: values.dtype, repeats: Number(values.repeats) };
  const sparsities = values.sparsity.split(',').map(Number);
  const measure = (kind) =>
    withEngine(kind, values.device, async (device) => {
      const rows = [];
      for (const shape of SHAPES) {
        for (const sparsity of sparsities)
          rows.push({ shape, sparsity, ms: await timeLayer(device, settings, shape, sparsity) });
      }
      return { rows, machine: describeMachine(device) };
    });
  const [dense, sparse] = [await measure('gemm'), await measure('sparse')];

  const passes = ['forward', 'data', 'weight'];
  const rows = dense.rows.flatMap(({ shape: [channels, filters, side], sparsity, ms }, i) =>
    passes.map((pass) => ({
      channels,
      filters,
      side,
      sparsity,
      pass,
      denseMs: ms[pass],
      sparseMs: sparse.rows[i].ms[pass],
    })),
  );
  const header = ['pass', 'in', 'out', 'side', 'sparsity', 'dense ms', 'sparse ms', 'dense / sparse'];
  const cells = rows.map(({ pass, channels, filters, side, sparsity, denseMs, sparseMs }) => {
    return [
      pass,
      channels,
      filters,
      side,
      sparsity,
      denseMs.toFixed(4),
      sparseMs.toFixed(4),
      (denseMs / sparseMs).toFixed(2),
    ];
  });
  console.log(table(header, cells));
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify({ ...dense.machine, settings, rows }, null, 2)}\n`);
  }
}
