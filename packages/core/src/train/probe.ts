import { Decisions } from '../autograd/decisions.js';
import { sumSquares } from '../autograd/elementwise.js';
import { copyOf } from '../autograd/tape.js';
import { ConfigError } from '../errors.js';
import { streamKey } from '../random/key.js';
import { permutation } from '../random/philox.js';
import type { ClassBalanced, ProbeOptions } from '../sparsity/strategy.js';
import { scope } from '../tensor/scope.js';
import { positiveInteger, type Tensor } from '../tensor/tensor.js';
import type { AnySplit, ImageDataset } from './data.js';
import type { Loader } from './loader.js';
import type { ProbePassOptions, TrainStep } from './step.js';

const op = 'probeGradient';

/** Which images a batch has, and the epoch that its augmentation is drawn for. */
interface Selection {
  readonly indices: Int32Array;
  readonly epoch: number;
}

export interface ProbeSettings {
  readonly data: ImageDataset<AnySplit>;
  readonly seed: number;
}

/** Leaves the gradient that `StrategyContext.probeGradient` promises in the arena of the step's model. */
export async function probeGradient(
  trainStep: TrainStep,
  loader: Loader,
  options: ProbeOptions & ProbeSettings,
): Promise<void> {
  const passes = passesOf(trainStep, loader, options);
  for (const [index, pass] of passes.entries()) await pass({ accumulate: index > 0 });
  const { gradient, device } = trainStep.state.arena;
  device.native.addInto(gradient.handle, 1 / passes.length - 1, gradient.handle);
  await device.synchronize();
}

/** How far weights move for a difference of gradients, in norms of the weights. */
const DIFFERENCE = 0.01;

/**
 * Leaves what `StrategyContext.probeCurvature` promises in the arena: (gradient(w + e v) - gradient(w - e v)) / 2e, where the network
 * decides as at w.
 */
export async function probeCurvature(
  trainStep: TrainStep,
  loader: Loader,
  options: ProbeOptions & ProbeSettings & { readonly along: ReadonlyMap<string, Tensor> },
): Promise<void> {
  const { arena } = trainStep.state;
  const { master, gradient, device } = arena;
  using weights = copyOf(master);
  using product = device.zeros(gradient.shape);
  const direction = arena.parameters.flatMap(({ name, value }) => {
    const along = options.along.get(name);
    return along === undefined ? [] : [{ value, along }];
  });
  const length = (tensors: readonly Tensor[]): Promise<number> => scope(() => norm(tensors));
  const values = direction.map(({ value }) => value);
  const epsilon = (DIFFERENCE * (await length(values))) / (await length(direction.map(({ along }) => along)));
  if (!Number.isFinite(epsilon) || epsilon === 0) {
    throw new ConfigError(`${op}: the vector or the weights are zero or not finite, so no curvature can be measured`, {
      op,
    });
  }
  const passes = passesOf(trainStep, loader, options);
  for (const pass of passes) {
    using decisions = new Decisions();
    await pass({ forward: (body) => decisions.note(body) });
    for (const sign of [1, -1]) {
      for (const { value, along } of direction) addInto(along, sign * epsilon, value);
      await pass({ forward: (body) => decisions.repeat(body) });
      addInto(gradient, sign / (2 * epsilon * passes.length), product);
      master.copyFrom(weights);
    }
  }
  gradient.copyFrom(product);
  await device.synchronize();
}

type Pass = (options: Pick<ProbePassOptions, 'accumulate' | 'forward'>) => Promise<void>;

/** One gradient pass for each batch of images. */
function passesOf(trainStep: TrainStep, loader: Loader, options: ProbeOptions & ProbeSettings): Pass[] {
  const { data, seed, batches, temperature = 1, statistics = 'batch', augment = true } = options;
  if (!(temperature > 0 && Number.isFinite(temperature))) {
    throw new ConfigError(`${op}: temperature is ${temperature}; it must be a finite number above 0`, { op });
  }
  const selections = typeof batches === 'number' ? firstBatches(loader, batches) : classBalanced(data, seed, batches);
  return selections.map(({ indices, epoch }) => async (more) => {
    const load = await loader.pick(indices, epoch, augment);
    trainStep.probe(load, { temperature, statistics, ...more });
  });
}

const addInto = (x: Tensor, scale: number, y: Tensor): void => x.device.native.addInto(x.handle, scale, y.handle);

async function norm(tensors: readonly Tensor[]): Promise<number> {
  const squares = await Promise.all(tensors.map((tensor) => sumSquares(tensor).item()));
  return Math.sqrt(squares.reduce((sum, square) => sum + square, 0));
}

function firstBatches(loader: Loader, batches: number): Selection[] {
  positiveInteger(op, 'batches', batches);
  const size = loader.batchSize / loader.parts;
  return Array.from({ length: batches }, (_, batch) => {
    const epoch = Math.floor(batch / loader.batches);
    const indices = loader.indicesOf(epoch, batch % loader.batches);
    return Array.from({ length: loader.parts }, (_, part) => ({
      epoch,
      indices: indices.subarray(part * size, (part + 1) * size),
    }));
  }).flat();
}

/** Images of each class in the shuffled order of `round`, class after class, cut between classes. */
function classBalanced(
  data: ImageDataset<AnySplit>,
  seed: number,
  { perClass, parts, round = 0 }: ClassBalanced,
): Selection[] {
  positiveInteger(op, 'perClass', perClass);
  positiveInteger(op, 'parts', parts);
  const { classes, train } = data;
  if (parts > classes) {
    throw new ConfigError(`${op}: ${parts} parts that share no class cannot be made of ${classes} classes`, { op });
  }
  const ofClass: number[][] = Array.from({ length: classes }, () => []);
  for (const index of permutation(train.size, streamKey(seed, 'probe'))) {
    ofClass[train.labels[index] as number]?.push(index);
  }
  const [begin, end] = [round * perClass, (round + 1) * perClass];
  const chosen = ofClass.map((images, label) => {
    if (images.length >= end) return images.slice(begin, end);
    throw new ConfigError(
      `${op}: class ${label} of ${data.name} has ${images.length} training images, but ${end} are needed; lower perClass`,
      { op },
    );
  });
  return Array.from({ length: parts }, (_, part) => {
    const cut = (at: number): number => Math.floor((at * classes) / parts);
    return { epoch: round, indices: Int32Array.from(chosen.slice(cut(part), cut(part + 1)).flat()) };
  });
}
