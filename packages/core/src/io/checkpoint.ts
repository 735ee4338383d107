import type { FloatName } from '@s2sam/native';
import { CheckpointError, InternalError } from '../errors.js';
import type { Classifier } from '../models/classifier.js';
import type { Parameter } from '../nn/parameter.js';
import type { OptimizerCounts } from '../optim/state.js';
import type { StrategyState } from '../sparsity/strategy.js';
import type { Tensor } from '../tensor/tensor.js';
import { type NamedTensor, readSafetensors, type StoredTensor, writeSafetensors } from './safetensors.js';

const FORMAT = '1';
/** Tensors of ours beside PyTorch's names, e.g. `s2sam.mask.conv1.weight`. */
const PREFIX = 's2sam.';
const MEMORY = `${PREFIX}memory.`;
/** The moving average of the weights. */
const EMA = `${PREFIX}ema.`;

/** Where a training stood; everything that is not a tensor. */
export interface TrainingPosition {
  /** Optimizer steps done. */
  readonly step: number;
  readonly totalSteps: number;
  readonly batchSize: number;
  readonly accumulate: number;
  /** Decay of the moving average that the file holds; 0: none. */
  readonly ema: number;
  readonly seed: number;
  readonly dataset: string;
  readonly optimizer: string;
  readonly sparsity: string;
  /** What the network computed in. */
  readonly dtype: FloatName;
  readonly counts: OptimizerCounts;
  /** Sums over the steps of the epoch that runs, and totals so far. */
  readonly epochLoss: number;
  readonly epochCorrect: number;
  readonly epochSteps: number;
  readonly trainSeconds: number;
  readonly trainFlops: number;
  readonly bestTestAccuracy: number | null;
  readonly strategyState: StrategyState | null;
  /** Rounds done, see `MaskStrategy.rounds`. */
  readonly round: number;
}

/** A checkpoint in memory. */
export interface Checkpoint {
  readonly path: string;
  /** Model name, as `createModel` takes it. */
  readonly model: string;
  readonly classes: number;
  readonly position: TrainingPosition;
  /** What `save` was given as `extra`. */
  readonly extra: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** Reads a file that `Run.save` wrote. Throws CheckpointError for anything else, IoError when it cannot be read. */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const { metadata, tensors } = await readSafetensors(path);
  const { format, model, classes, position, extra } = metadata;
  if (format !== FORMAT || model === undefined || classes === undefined || position === undefined) {
    throw new CheckpointError(
      `checkpoint ${path}: its metadata is not that of an s2sam checkpoint (format ${format ?? 'missing'}, expected ${FORMAT}); ` +
        'give a file written by s2sam of this version',
      { op: 'readCheckpoint' },
    );
  }
  try {
    return {
      path,
      model,
      classes: Number(classes),
      position: JSON.parse(position) as TrainingPosition,
      extra: JSON.parse(extra ?? '{}') as Record<string, string>,
      tensors,
    };
  } catch (cause) {
    throw new CheckpointError(`checkpoint ${path}: its metadata is damaged; use an earlier checkpoint`, {
      op: 'readCheckpoint',
      cause,
    });
  }
}

/** Writes model, optimizer, what the mask strategy remembers, and position; see `Run.save`. All values are of one moment, the call. */
export async function writeCheckpoint(
  path: string,
  model: Classifier,
  position: () => TrainingPosition,
  extra: Readonly<Record<string, string>>,
  memory: readonly NamedTensor[] | Promise<readonly NamedTensor[]> = [],
): Promise<void> {
  const [remembered, ...tensors] = await Promise.all([memory, ...snapshot(model, { optimizer: true })]);
  // Only now: sums of the position are complete once every step enqueued before the snapshot has run.
  await writeTensors(path, model, position(), extra, [...tensors, ...remembered]);
}

async function writeTensors(
  path: string,
  model: Classifier,
  position: TrainingPosition,
  extra: Readonly<Record<string, string>>,
  tensors: readonly NamedTensor[],
): Promise<void> {
  const metadata = {
    format: FORMAT,
    model: model.name,
    classes: String(model.classes),
    position: JSON.stringify(position),
    extra: JSON.stringify(extra),
  };
  await writeSafetensors(path, [...tensors, ...batchCounts(model, position.step)], metadata);
}

/** What a mask strategy remembers, as a checkpoint holds it; of the moment of the call. */
export async function readMemory(memory: ReadonlyMap<string, Tensor>): Promise<readonly NamedTensor[]> {
  return await readTensors(MEMORY, memory);
}

/** The moving average of weights and statistics, as a checkpoint holds it; of the moment of the call. */
export async function readAverage(average: ReadonlyMap<string, Tensor>): Promise<readonly NamedTensor[]> {
  return await readTensors(EMA, average);
}

const readTensors = (prefix: string, tensors: ReadonlyMap<string, Tensor>): Promise<NamedTensor[]> =>
  Promise.all([...tensors].map(([name, tensor]) => stored(`${prefix}${name}`, tensor)));

/**
 * Writes a checkpoint of a model that was not trained here: weights, statistics and masks, at step 0 and without the state of an
 * optimizer, so that it can be evaluated but not resumed. Throws IoError.
 * @param dataset the name of the data set it is for, as `ImageDataset.name`
 */
export async function writeImported(
  path: string,
  model: Classifier,
  dataset: string,
  extra: Readonly<Record<string, string>> = {},
): Promise<void> {
  const position: TrainingPosition = {
    step: 0,
    totalSteps: 1,
    batchSize: 1,
    accumulate: 1,
    ema: 0,
    seed: 0,
    dataset,
    optimizer: 'none',
    sparsity: 'dense',
    dtype: model.dtype,
    counts: { skippedSteps: 0, skippedPerturbations: 0, lossScale: 0, goodSteps: 0 },
    epochLoss: 0,
    epochCorrect: 0,
    epochSteps: 0,
    trainSeconds: 0,
    trainFlops: 0,
    bestTestAccuracy: null,
    strategyState: null,
    round: 0,
  };
  await writeTensors(path, model, position, extra, await Promise.all(snapshot(model, { optimizer: false })));
}

/** Reads are enqueued at once, so that they all see the same step. */
function snapshot(model: Classifier, { optimizer }: { readonly optimizer: boolean }): Promise<NamedTensor>[] {
  const parameters = [...model.namedParameters().values()].flatMap((parameter) => {
    const { name, mask } = parameter;
    const { value, momentum, gradient } = parameter.storage;
    const states = [
      [`${PREFIX}momentum.${name}`, momentum],
      [`${PREFIX}gradient.${name}`, gradient],
    ] as const;
    return [
      stored(name, value),
      ...(optimizer ? states.map(([state, tensor]) => stored(state, tensor)) : []),
      ...(mask === undefined ? [] : [stored(`${PREFIX}mask.${name}`, mask.bits)]),
    ];
  });
  const buffers = [...model.namedBuffers()].map(([name, { tensor }]) => stored(name, tensor));
  return [...parameters, ...buffers];
}

async function stored(name: string, tensor: Tensor): Promise<NamedTensor> {
  const { shape } = tensor;
  const data = await tensor.toArray();
  if (data instanceof Uint32Array) return { name, shape, dtype: 'U32', data };
  if (data instanceof Float32Array) return { name, shape, dtype: 'F32', data };
  throw new InternalError(`checkpoint: ${name} is ${tensor.dtype}; only f32 and u32 are stored`, { op: 'save' });
}

/** PyTorch's batch norm counts its batches in the state dict. */
export function batchCounts(model: Classifier, steps: number): NamedTensor[] {
  return [...model.namedBuffers().keys()]
    .filter((name) => name.endsWith('.running_mean'))
    .map((name) => ({
      name: name.replace(/running_mean$/, 'num_batches_tracked'),
      shape: [],
      dtype: 'I64',
      data: BigInt64Array.of(BigInt(steps)),
    }));
}

export interface LoadWeightsOptions {
  /** Take the moving average of weights and statistics instead. Default false. */
  readonly average?: boolean;
}

/**
 * Loads weights, running statistics and masks into a model of the same shape. Throws CheckpointError that lists what does not fit, or
 * where the average is wanted and there is none; the model is then unchanged.
 */
export function loadWeights(
  model: Classifier,
  checkpoint: Checkpoint,
  { average = false }: LoadWeightsOptions = {},
): void {
  const state = model.namedState();
  checkNames(checkpoint, [...state.keys()]);
  if (average) loadAverage(state, checkpoint);
  else loadNamed(state, '', checkpoint);
  for (const parameter of model.namedParameters().values()) loadMask(model, parameter, checkpoint);
  model.arena.resetWorking();
}

/** Loads the moving average of a checkpoint into tensors by the names of parameters and buffers. Throws CheckpointError. */
export function loadAverage(tensors: ReadonlyMap<string, Tensor>, checkpoint: Checkpoint): void {
  if (![...checkpoint.tensors.keys()].some((name) => name.startsWith(EMA))) {
    throw new CheckpointError(
      `checkpoint ${checkpoint.path} holds no moving average of the weights; only trainings with ema keep one`,
      { op: 'loadWeights' },
    );
  }
  loadNamed(tensors, EMA, checkpoint);
}

function loadNamed(tensors: ReadonlyMap<string, Tensor>, prefix: string, checkpoint: Checkpoint): void {
  const named = [...tensors].map(([name, tensor]) => ({ name: `${prefix}${name}`, tensor, shape: tensor.shape }));
  checkShapes(checkpoint, named);
  for (const { name, tensor } of named) write(checkpoint, name, tensor);
}

/** Loads the optimizer's momentum and previous gradient, after `loadWeights`. */
export function loadOptimizer(model: Classifier, checkpoint: Checkpoint): void {
  const states = [...model.namedParameters()].flatMap(([name, { storage }]) => [
    { name: `${PREFIX}momentum.${name}`, tensor: storage.momentum },
    { name: `${PREFIX}gradient.${name}`, tensor: storage.gradient },
  ]);
  loadNamed(new Map(states.map(({ name, tensor }) => [name, tensor])), '', checkpoint);
}

/** What the mask strategy remembered (F32) and which weights were ever alive (U32), by their names. */
export function memoryOf(checkpoint: Checkpoint): ReadonlyMap<string, StoredTensor> {
  const types = ['F32', 'U32'];
  const own = [...checkpoint.tensors].filter(([name, { dtype }]) => name.startsWith(MEMORY) && types.includes(dtype));
  return new Map(own.map(([name, tensor]) => [name.slice(MEMORY.length), tensor]));
}

function loadMask(model: Classifier, parameter: Parameter, checkpoint: Checkpoint): void {
  const bits = checkpoint.tensors.get(`${PREFIX}mask.${parameter.name}`);
  if (bits?.dtype === 'U32') model.arena.addMask(parameter).write(bits.data);
  else parameter.mask?.fill(true);
}

function checkNames(checkpoint: Checkpoint, names: readonly string[]): void {
  const wanted = new Set(names);
  const missing = names.filter((name) => !checkpoint.tensors.has(name));
  const unexpected = [...checkpoint.tensors.keys()].filter(
    (name) => !wanted.has(name) && !name.startsWith(PREFIX) && !name.endsWith('.num_batches_tracked'),
  );
  if (missing.length === 0 && unexpected.length === 0) return;
  const list = (title: string, items: readonly string[]): string =>
    items.length === 0
      ? ''
      : `; ${title} ${items.slice(0, 5).join(', ')}${items.length > 5 ? ` and ${items.length - 5} more` : ''}`;
  throw new CheckpointError(
    `checkpoint ${checkpoint.path} is of another model (${checkpoint.model}, ${checkpoint.classes} classes)` +
      `${list('missing:', missing)}${list('unexpected:', unexpected)}; make the model it names and load it there`,
    { op: 'loadWeights' },
  );
}

function checkShapes(checkpoint: Checkpoint, wanted: readonly { name: string; shape: readonly number[] }[]): void {
  for (const { name, shape } of wanted) {
    const found = checkpoint.tensors.get(name);
    if (found?.dtype === 'F32' && String(found.shape) === String(shape)) continue;
    const what = found === undefined ? 'is missing' : `is ${found.dtype} ${JSON.stringify(found.shape)}`;
    throw new CheckpointError(
      `checkpoint ${checkpoint.path}: ${name} ${what}, expected F32 ${JSON.stringify(shape)}; ` +
        `the file holds ${checkpoint.model} with ${checkpoint.classes} classes`,
      { op: 'loadWeights' },
    );
  }
}

function write(checkpoint: Checkpoint, name: string, tensor: Tensor): void {
  const found = checkpoint.tensors.get(name);
  if (found?.dtype === 'F32') tensor.write(found.data);
}
