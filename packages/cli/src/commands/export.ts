import {
  type Checkpoint,
  type Classifier,
  ConfigError,
  compact,
  createModel,
  densityOf,
  exportOnnx,
  exportSafetensors,
  forwardFlops,
  layerCosts,
  loadWeights,
  type Normalization,
  openDevice,
  readCheckpoint,
} from '@s2sam/core';
import { normalizationOf } from '@s2sam/data';
import { isTree } from '../config/overrides.js';
import { flops, grouped, percent } from '../consumers/lines.js';
import { checkpointOf, savedConfig } from '../run/checkpoint.js';
import type { Output } from '../run/output.js';

export const exportFormats = ['onnx', 'safetensors'] as const;

/** Options of `s2sam export`, as the shell gives them. */
export interface ExportCommand {
  readonly format: (typeof exportFormats)[number];
  readonly out: string;
  /** Take the moving average of the weights. */
  readonly ema?: boolean;
  readonly compact?: boolean;
  readonly keepBatchNorm?: boolean;
  readonly imageSize?: number;
  readonly normalize?: boolean;
}

/** What the network was trained on, where the checkpoint says so; else what the model was made for. */
function imageSizeOf(checkpoint: Checkpoint, model: Classifier): number {
  const { data } = savedConfig(checkpoint);
  const size = isTree(data) ? data.imageSize : undefined;
  return typeof size === 'number' ? size : model.imageSize;
}

function checkOptions({ format, keepBatchNorm, normalize }: ExportCommand): void {
  if (format === 'onnx') return;
  for (const [name, given] of Object.entries({ keepBatchNorm, normalize })) {
    if (given === undefined) continue;
    throw new ConfigError(`export: --${name} is for --format onnx alone; leave it out or write ONNX`, { op: 'export' });
  }
}

function normalizationFor(checkpoint: Checkpoint): Normalization {
  const { data } = savedConfig(checkpoint);
  const { position } = checkpoint;
  const inFiles = isTree(data) && data.name === 'images';
  const found = normalizationOf(inFiles ? 'images' : position.dataset);
  if (found !== undefined) return found;
  throw new ConfigError(
    `export: --normalize knows no mean and deviation of the data set ${position.dataset}; leave it out and give the network ` +
      'images that are normalised already',
    { op: 'export' },
  );
}

interface Cost {
  readonly parameters: number;
  /** Of a forward pass of one image without masks: what a program does that knows none. */
  readonly flops: number;
}

const costOf = (model: Classifier, imageSize: number): Cost => ({
  parameters: densityOf(model.arena).parameters,
  flops: forwardFlops(layerCosts(model, [imageSize, imageSize]), new Map()).dense,
});

function compactionLine(before: Cost, after: Cost): string {
  const kept = (what: keyof Cost): string => percent(after[what] / before[what], 1);
  const parameters = `parameters ${grouped(before.parameters)} -> ${grouped(after.parameters)} (${kept('parameters')})`;
  return `compacted  ${parameters}, forward ${flops(before.flops)} -> ${flops(after.flops)} (${kept('flops')})`;
}

function densityLine(model: Classifier): string {
  const { density, layers } = densityOf(model.arena);
  const sum = (what: 'kept' | 'size'): string => grouped(layers.reduce((total, layer) => total + layer[what], 0));
  return `density    ${percent(density)}: ${sum('kept')} of ${sum('size')} weights kept, zeros elsewhere`;
}

/** Writes the file. Resolves with what it is, in words. */
async function write(
  model: Classifier,
  checkpoint: Checkpoint,
  imageSize: number,
  options: ExportCommand,
): Promise<{ bytes: number; about: string }> {
  if (options.format === 'safetensors') {
    const { bytes, tensors } = await exportSafetensors(model, options.out, { batches: checkpoint.position.step });
    return { bytes, about: `${tensors} tensors by PyTorch's names` };
  }
  const foldBatchNorm = options.keepBatchNorm !== true;
  const normalization = options.normalize === true ? normalizationFor(checkpoint) : undefined;
  const { bytes, nodes } = await exportOnnx(model, options.out, {
    imageSize,
    foldBatchNorm,
    ...(normalization === undefined ? {} : { normalization }),
  });
  const images = `images [N, ${model.channels}, ${imageSize}, ${imageSize}]`;
  const range = normalization === undefined ? 'normalised' : 'with values from 0 to 1';
  const norms = foldBatchNorm ? 'folded' : 'kept';
  return { bytes, about: `${nodes} operators, batch norm ${norms}; takes ${images}, ${range}` };
}

/** `s2sam export`: writes the network of a checkpoint for other programs. Resolves with the exit code. */
export async function exportCommand(path: string, options: ExportCommand, output: Output): Promise<number> {
  checkOptions(options);
  const checkpoint = await readCheckpoint(checkpointOf(path));
  // Little is computed, and the CPU is always there.
  await using device = await openDevice('cpu', { threads: 1 });
  using trained = createModel(checkpoint.model, { device, classes: checkpoint.classes });
  loadWeights(trained, checkpoint, { average: options.ema === true });
  const imageSize = options.imageSize ?? imageSizeOf(checkpoint, trained);
  using small = options.compact === true ? await compact(trained) : undefined;
  const model = small ?? trained;
  const { bytes, about } = await write(model, checkpoint, imageSize, options);
  output.print(`written    ${options.out}: ${(bytes / 1e6).toFixed(2)} MB, ${options.format}, ${about}`);
  output.print(
    `model      ${model.name}, ${model.classes} classes, step ${grouped(checkpoint.position.step)} of ${checkpoint.path}`,
  );
  if (small !== undefined) output.print(compactionLine(costOf(trained, imageSize), costOf(small, imageSize)));
  output.print(densityLine(model));
  return 0;
}
