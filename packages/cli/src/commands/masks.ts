import {
  ConfigError,
  createModel,
  densityOf,
  forwardFlops,
  type LayerCost,
  type LayerDensity,
  layerCosts,
  modelNames,
  openDevice,
  stepFlops,
} from '@s2sam/core';
import { grouped, percent } from '../consumers/lines.js';
import { textTable } from '../report/table.js';
import type { Output } from '../run/output.js';
import { type LayoutConfig, makeLayout } from '../sparsity/layout.js';

/** Options of `s2sam masks`, as the shell gives them. */
export interface MasksCommand extends LayoutConfig {
  readonly density?: number;
  readonly sparsity?: number;
  readonly classes?: number;
  readonly imageSize?: number;
  readonly updateEvery: number;
  readonly json?: boolean;
}

/** A layer under a layout. */
interface Layer extends LayerDensity {
  /** Multiply-adds for one image: dense, and of the kept weights. */
  readonly macs: number;
  readonly keptMacs: number;
}

/** What `--json` prints, and the text is made of. Ratios are over the dense network. */
interface Result {
  readonly model: string;
  readonly classes: number;
  readonly imageSize: number;
  readonly layout: string;
  readonly parameters: number;
  readonly nonZero: number;
  readonly weights: number;
  readonly kept: number;
  readonly density: { readonly nominal: number; readonly actual: number };
  /** FLOPs of one image, 2 per multiply-add. */
  readonly flops: { readonly dense: number; readonly sparse: number };
  readonly inference: { readonly ratio: number; readonly riglCounter: number };
  /** Without SAM, which doubles each. */
  readonly training: {
    readonly sparseGradient: number;
    readonly denseGradientOnUpdates: number;
    readonly denseGradientAlways: number;
  };
  readonly updateEvery: number;
  readonly layers: readonly Layer[];
}

function wantedDensity({ density, sparsity }: MasksCommand): number {
  if ((density === undefined) === (sparsity === undefined)) {
    throw new ConfigError('masks: give one of --density and --sparsity, e.g. --density 0.1', { op: 'masks' });
  }
  return density ?? Number((1 - (sparsity as number)).toFixed(12));
}

async function measure(name: string, options: MasksCommand): Promise<Result> {
  if (!(modelNames as readonly string[]).includes(name)) {
    throw new ConfigError(`masks: unknown model ${name}; models: ${modelNames.join(', ')}`, { op: 'masks' });
  }
  const nominal = wantedDensity(options);
  const layout = makeLayout(options);
  // Nothing is computed: shapes alone are wanted, and the CPU is always there.
  await using device = await openDevice('cpu', { threads: 1 });
  const { classes } = options;
  using model = createModel(name, { device, ...(classes === undefined ? {} : { classes }) });
  const { parameters, layers: dense } = densityOf(model.arena);
  const size = options.imageSize ?? model.imageSize;
  const costs = layerCosts(model, [size, size]);
  const shapes = [...model.namedParameters().values()]
    .filter(({ kind }) => kind === 'weight')
    .map(({ name, shape, size, role }) => {
      return { name, shape, size, role, kind: shape.length === 4 ? ('conv2d' as const) : ('linear' as const) };
    });
  const allocation = layout.allocate(shapes, nominal);
  const layers = dense.map((layer) => layerOf(layer, allocation.get(layer.name) as number, costs));
  const sum = (what: 'size' | 'kept'): number => layers.reduce((total, layer) => total + layer[what], 0);
  const densities = new Map(layers.map((layer) => [layer.name, layer.density]));
  const flops = forwardFlops(costs, densities);
  const counted = forwardFlops(costs, densities, 'rigl');
  const training = (options: Parameters<typeof stepFlops>[1]): number => stepFlops(flops, options) / (3 * flops.dense);
  return {
    model: name,
    classes: model.classes,
    imageSize: size,
    layout: layout.name,
    parameters,
    nonZero: parameters - sum('size') + sum('kept'),
    weights: sum('size'),
    kept: sum('kept'),
    density: { nominal, actual: sum('kept') / sum('size') },
    flops,
    inference: { ratio: flops.sparse / flops.dense, riglCounter: counted.sparse / counted.dense },
    training: {
      sparseGradient: training({}),
      denseGradientOnUpdates: training({ denseGradient: { afterEvery: options.updateEvery } }),
      denseGradientAlways: training({ denseGradient: true }),
    },
    updateEvery: options.updateEvery,
    layers,
  };
}

function layerOf(layer: LayerDensity, kept: number, costs: readonly LayerCost[]): Layer {
  const macs = costs.find(({ name }) => name === layer.name)?.macs ?? 0;
  const density = kept / layer.size;
  return { ...layer, kept, density, macs, keptMacs: macs * density };
}

function lines(result: Result): string[] {
  const { density, flops, inference, training } = result;
  const total = result.flops.sparse / 2;
  const rows = result.layers.map(({ name, shape, density, kept, size, keptMacs }) => [
    name,
    shape.join('x'),
    density.toFixed(4),
    grouped(kept),
    grouped(size),
    percent(keptMacs / total, 1),
  ]);
  const head = ['layer', 'shape', 'density', 'kept', 'weights', 'of FLOPs'];
  const giga = (value: number): string => (value / 1e9).toPrecision(4);
  const ratio = (value: number): string => value.toFixed(4);
  const image = `${result.imageSize}x${result.imageSize}`;
  return [
    `${result.model}, ${result.layout}, ${result.classes} classes, images of ${image}`,
    ...textTable({ title: '', head, rows }),
    `weights     ${grouped(result.kept)} of ${grouped(result.weights)} kept: sparsity ${percent(1 - density.actual)}, asked for ${percent(1 - density.nominal)}`,
    `parameters  ${grouped(result.parameters)}, ${grouped(result.nonZero)} not masked`,
    `inference   ${ratio(inference.ratio)} of dense: ${giga(flops.sparse)} of ${giga(flops.dense)} GFLOPs per image (RigL's counter ${ratio(inference.riglCounter)})`,
    `training    ${ratio(training.sparseGradient)} of dense where gradients are sparse (static, SET, MEST)`,
    `            ${ratio(training.denseGradientOnUpdates)} with one dense gradient after every ${result.updateEvery} steps (RigL)`,
    `            ${ratio(training.denseGradientAlways)} with a dense gradient in every step (SNFS)`,
    '            twice as much under SAM; the same under S2-SAM',
  ];
}

/** `s2sam masks`: what a layout gives to each layer of a model, and what that costs; nothing is trained. Resolves with the exit code. */
export async function masksCommand(model: string, options: MasksCommand, output: Output): Promise<number> {
  const result = await measure(model, options);
  if (options.json === true) output.print(JSON.stringify(result));
  else for (const line of lines(result)) output.print(line);
  return 0;
}
