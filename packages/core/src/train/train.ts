import { ArgumentError, NonFiniteError } from '../errors.js';
import { loadOptimizer, loadWeights, type TrainingPosition, writeCheckpoint } from '../io/checkpoint.js';
import type { Classifier } from '../models/classifier.js';
import type { Progress } from '../optim/schedule.js';
import { densityOf, SparsityState } from '../sparsity/state.js';
import { positiveInteger } from '../tensor/tensor.js';
import { checkModel, checkResume, type Description, lengthOf } from './checks.js';
import type { EndEvent, EpochEvent, MaskEvent, StartEvent, StepEvent, TrainEvent } from './events.js';
import { LazyEvaluator } from './lazyEvaluator.js';
import { Loader } from './loader.js';
import { nonFiniteParameter } from './nonFinite.js';
import type { Run, TrainOptions } from './options.js';
import { type StepResult, TrainStep } from './step.js';

/** Sums over the steps of an epoch. */
interface EpochSums {
  loss: number;
  correct: number;
  steps: number;
}

/** A step that has been enqueued. */
interface Pending {
  readonly step: number;
  readonly epoch: number;
  readonly lr: number;
  readonly result: Promise<StepResult>;
  readonly dataWaitMs: number;
}

const noSums = (): EpochSums => ({ loss: 0, correct: 0, steps: 0 });

class Training implements Run {
  readonly #model: Classifier;
  readonly #options: TrainOptions;
  readonly #batchSize: number;
  readonly #seed: number;
  readonly #length: { readonly stepsPerEpoch: number; readonly totalSteps: number };
  readonly #sparsity: SparsityState;
  readonly #startStep: number;
  #step: number;
  #sums: EpochSums;
  #trainSeconds: number;
  #bestTestAccuracy: number | undefined;
  #lastTestAccuracy: number | undefined;
  #clock = performance.now();
  #started = false;

  constructor(model: Classifier, options: TrainOptions) {
    this.#model = model;
    this.#options = options;
    this.#batchSize = positiveInteger('train', 'batchSize', options.batchSize ?? 128);
    this.#seed = options.seed ?? 0;
    this.#length = lengthOf(options, this.#batchSize);
    checkModel(model, options);
    const position = options.resume?.position;
    if (options.resume !== undefined)
      checkResume(options.resume.position, this.#length.totalSteps, this.#description());
    this.#sparsity = new SparsityState(model.arena, options.sparsity);
    this.#startStep = position?.step ?? 0;
    this.#step = this.#startStep;
    this.#sums = {
      loss: position?.epochLoss ?? 0,
      correct: position?.epochCorrect ?? 0,
      steps: position?.epochSteps ?? 0,
    };
    this.#trainSeconds = position?.trainSeconds ?? 0;
    this.#bestTestAccuracy = position?.bestTestAccuracy ?? undefined;
  }

  async save(path: string, extra: Readonly<Record<string, string>> = {}): Promise<void> {
    const step = this.#step;
    await writeCheckpoint(path, this.#model, () => this.#position(step), extra);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TrainEvent> {
    if (this.#started) throw new ArgumentError('train: a run can be iterated once; call train again', { op: 'train' });
    this.#started = true;
    const { data, optimizer, augment = true, labelSmoothing = 0 } = this.#options;
    using loader = new Loader(this.#model.device, data, data.train, {
      batchSize: this.#batchSize,
      shuffle: { seed: this.#seed, augment },
    });
    using trainStep = new TrainStep(this.#model, { optimizer, labelSmoothing, input: () => loader.load() });
    using evaluation = new LazyEvaluator(this.#model, this.#options, this.#batchSize);
    await this.#begin(trainStep, loader);
    yield this.#startEvent();
    yield* this.#loop(trainStep, loader, evaluation);
  }

  async *#loop(trainStep: TrainStep, loader: Loader, evaluation: LazyEvaluator): AsyncGenerator<TrainEvent> {
    const { totalSteps, stepsPerEpoch } = this.#length;
    const aborted = (): boolean => this.#options.signal?.aborted === true;
    const firstImageStep = this.#step;
    const secondsBefore = this.#trainSeconds;
    let epochStart = { seconds: this.#trainSeconds, step: this.#step };
    let pending: Pending | undefined;
    this.#clock = performance.now();
    while (this.#step < totalSteps && !aborted()) {
      const needs = this.#sparsity.needs(this.#step, this.#length);
      const next = this.#enqueue(trainStep, loader, needs);
      if (pending !== undefined) yield await this.#finish(pending);
      pending = next;
      const epochEnds = this.#step % stepsPerEpoch === 0 || this.#step === totalSteps;
      if (needs.update !== true && !epochEnds) continue;
      yield await this.#finish(pending);
      pending = undefined;
      if (needs.update === true) yield await this.#updateMasks(trainStep);
      if (!epochEnds) continue;
      const images = (this.#step - epochStart.step) * this.#batchSize;
      const imagesPerSecond = images / (this.#trainSeconds - epochStart.seconds);
      yield await this.#epochEvent(evaluation, imagesPerSecond);
      epochStart = { seconds: this.#trainSeconds, step: this.#step };
      this.#clock = performance.now();
    }
    if (pending !== undefined) yield await this.#finish(pending);
    const images = (this.#step - firstImageStep) * this.#batchSize;
    yield this.#endEvent(images / Math.max(1e-9, this.#trainSeconds - secondsBefore));
  }

  /** Loads the checkpoint, or lets the strategy choose the first masks. */
  async #begin(trainStep: TrainStep, loader: Loader): Promise<void> {
    const { resume } = this.#options;
    const { state } = trainStep;
    if (resume !== undefined) {
      loadWeights(this.#model, resume);
      loadOptimizer(this.#model, resume);
      if (resume.position.strategyState !== null) this.#sparsity.strategy?.load?.(resume.position.strategyState);
      if (this.#step > 0) {
        state.prepare(this.#progress(this.#step - 1));
        if (state.optimizer.kind === 's2sam') state.perturb();
      }
      return;
    }
    this.#model.arena.gradient.fill(0);
    this.#model.arena.momentum.fill(0);
    state.restore();
    await this.#sparsity.init({
      ...this.#moment(),
      probeGradient: ({ batches }) => this.#probe(trainStep, loader, batches),
    });
    this.#model.arena.gradient.fill(0);
  }

  async #probe(trainStep: TrainStep, loader: Loader, batches: number): Promise<void> {
    positiveInteger('probeGradient', 'batches', batches);
    for (let batch = 0; batch < batches; batch++) {
      loader.select(Math.floor(batch / loader.batches), batch % loader.batches);
      trainStep.probe(batch > 0);
    }
    const { gradient, device } = this.#model.arena;
    const { native } = device;
    native.addInto(gradient.handle, 1 / batches - 1, gradient.handle);
    await device.synchronize();
  }

  #enqueue(trainStep: TrainStep, loader: Loader, needs: ReturnType<SparsityState['needs']>): Pending {
    const step = this.#step;
    const epoch = Math.floor(step / this.#length.stepsPerEpoch);
    const begin = performance.now();
    loader.select(epoch, step % this.#length.stepsPerEpoch);
    const dataWaitMs = performance.now() - begin;
    const progress = this.#progress(step);
    const sums = this.#sums;
    const result = trainStep.run(progress, needs).then((value) => {
      sums.loss += value.loss;
      sums.correct += value.correct;
      sums.steps += 1;
      return value;
    });
    result.catch(() => undefined); // awaited one step later
    this.#step = step + 1;
    return { step: this.#step, epoch, lr: trainStep.state.lr(progress), result, dataWaitMs };
  }

  /** Waits for a step and turns it into its event. */
  async #finish({ step, epoch, lr, result, dataWaitMs }: Pending): Promise<StepEvent> {
    const { loss, correct, gradNorm } = await result;
    if (!Number.isFinite(loss)) throw await this.#nonFinite(step, loss);
    const now = performance.now();
    const stepMs = now - this.#clock;
    this.#clock = now;
    this.#trainSeconds += stepMs / 1000;
    const { density } = densityOf(this.#model.arena);
    return {
      type: 'step',
      step,
      epoch,
      loss,
      accuracy: correct / this.#batchSize,
      lr,
      gradNorm,
      stepMs,
      dataWaitMs,
      imagesPerSecond: (this.#batchSize * 1000) / stepMs,
      density,
    };
  }

  async #nonFinite(step: number, loss: number): Promise<NonFiniteError> {
    const culprit = await nonFiniteParameter(this.#model);
    return new NonFiniteError(
      `train: the loss is ${loss} at step ${step}; ${culprit}. Lower the learning rate, add warm-up, or clip the gradient ` +
        '(maxGradNorm); the last checkpoint is intact',
      { op: 'train' },
    );
  }

  async #updateMasks(trainStep: TrainStep): Promise<MaskEvent> {
    const probeGradient = (): Promise<void> =>
      Promise.reject(new ArgumentError('probeGradient: only available in init', { op: 'probeGradient' }));
    await this.#sparsity.update({ ...this.#moment(), probeGradient });
    if (trainStep.state.optimizer.kind === 's2sam') trainStep.state.perturb();
    const { density, layers } = densityOf(this.#model.arena);
    const checksum = await this.#sparsity.checksum();
    return { type: 'mask', step: this.#step, epoch: this.#epoch(), density, layers, checksum };
  }

  async #epochEvent(evaluation: LazyEvaluator, imagesPerSecond: number): Promise<EpochEvent> {
    const sums = this.#sums;
    this.#sums = noSums();
    const epoch = this.#epoch();
    const test = await evaluation.after(epoch, this.#step === this.#length.totalSteps);
    if (test !== undefined) {
      this.#lastTestAccuracy = test.accuracy;
      this.#bestTestAccuracy = Math.max(this.#bestTestAccuracy ?? 0, test.accuracy);
    }
    const { density, layers } = densityOf(this.#model.arena);
    return {
      type: 'epoch',
      epoch,
      step: this.#step,
      trainLoss: sums.loss / sums.steps,
      trainAccuracy: sums.correct / (sums.steps * this.#batchSize),
      testLoss: test?.loss,
      testAccuracy: test?.accuracy,
      bestTestAccuracy: this.#bestTestAccuracy,
      testSeconds: test?.seconds,
      trainSeconds: this.#trainSeconds,
      imagesPerSecond,
      density,
      layers,
    };
  }

  #startEvent(): StartEvent {
    const { data } = this.#options;
    const { kind, name, isa, threads } = this.#model.device;
    const { optimizer, sparsity, batchSize, seed } = this.#description();
    return {
      type: 'start',
      model: this.#model.name,
      ...densityOf(this.#model.arena),
      optimizer,
      sparsity,
      batchSize,
      seed,
      device: { kind, name, isa, threads },
      dataset: {
        name: data.name,
        synthetic: data.synthetic,
        classes: data.classes,
        trainSize: data.train.size,
        testSize: data.test.size,
      },
      ...this.#length,
      startStep: this.#startStep,
    };
  }

  #endEvent(imagesPerSecond: number): EndEvent {
    return {
      type: 'end',
      reason: this.#step < this.#length.totalSteps ? 'aborted' : 'finished',
      step: this.#step,
      epoch: this.#epoch(),
      testAccuracy: this.#lastTestAccuracy,
      bestTestAccuracy: this.#bestTestAccuracy,
      trainSeconds: this.#trainSeconds,
      imagesPerSecond,
      density: densityOf(this.#model.arena).density,
    };
  }

  #description(): Description {
    const { optimizer, sparsity, data } = this.#options;
    return {
      optimizer: optimizer.name,
      sparsity: sparsity?.name ?? 'dense',
      batchSize: this.#batchSize,
      seed: this.#seed,
      datasetName: data.name,
    };
  }

  #position(step: number): TrainingPosition {
    const { optimizer, sparsity, batchSize, seed, datasetName } = this.#description();
    return {
      step,
      totalSteps: this.#length.totalSteps,
      batchSize,
      seed,
      dataset: datasetName,
      optimizer,
      sparsity,
      epochLoss: this.#sums.loss,
      epochCorrect: this.#sums.correct,
      epochSteps: this.#sums.steps,
      trainSeconds: this.#trainSeconds,
      bestTestAccuracy: this.#bestTestAccuracy ?? null,
      strategyState: this.#sparsity.strategy?.state?.() ?? null,
    };
  }

  #progress(step: number): Progress {
    return { step, ...this.#length };
  }

  #moment() {
    return { step: this.#step, ...this.#length, seed: this.#seed };
  }

  /** Epoch of the last step done. */
  #epoch(): number {
    return Math.floor(Math.max(0, this.#step - 1) / this.#length.stepsPerEpoch);
  }
}

/**
 * Trains a model: iterate the result for typed events. Nothing runs until it is iterated.
 *
 * Throws ArgumentError for options that do not go together, CheckpointError for a checkpoint of another model or training;
 * iteration rejects with NonFiniteError when the loss becomes NaN or infinite.
 */
export function train(model: Classifier, options: TrainOptions): Run {
  return new Training(model, options);
}
