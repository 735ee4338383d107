import { ArgumentError, NonFiniteError } from '../errors.js';
import {
  loadAverage,
  loadOptimizer,
  loadWeights,
  memoryOf,
  readAverage,
  readMemory,
  type TrainingPosition,
  writeCheckpoint,
} from '../io/checkpoint.js';
import type { NamedTensor } from '../io/safetensors.js';
import type { Classifier } from '../models/classifier.js';
import { densityOf, SparsityState } from '../sparsity/state.js';
import type { StepNeeds } from '../sparsity/strategy.js';
import { type Batching, batchingOf } from './batching.js';
import { checkModel, checkOptions, checkResume, type Description } from './checks.js';
import { Ema } from './ema.js';
import type {
  EndEvent,
  EpochEvent,
  KernelsEvent,
  MaskEvent,
  StartEvent,
  StepEvent,
  TrainEvent,
  WarningEvent,
} from './events.js';
import { FlopsMeter } from './flopsMeter.js';
import { TrainInput } from './input.js';
import { LazyEvaluator } from './lazyEvaluator.js';
import { TrainingLength } from './length.js';
import { nonFiniteParameter } from './nonFinite.js';
import type { Run, TrainOptions } from './options.js';
import { probeCurvature, probeGradient } from './probe.js';
import { descriptionOf, settingOf } from './setting.js';
import { type StepResult, TrainStep } from './step.js';
import { Tally } from './tally.js';

/** A step that has been enqueued. */
interface Pending {
  readonly step: number;
  readonly epoch: number;
  readonly lr: number;
  readonly result: Promise<StepResult>;
  readonly dataWaitMs: number;
}

class Training implements Run {
  readonly #model: Classifier;
  readonly #options: TrainOptions;
  readonly #batching: Batching;
  readonly #description: Description;
  readonly #seed: number;
  readonly #length: TrainingLength;
  readonly #sparsity: SparsityState;
  readonly #flops: FlopsMeter;
  readonly #startStep: number;
  #step: number;
  /** Height and width of the images, where they change with the epochs. */
  #imageSize: number | undefined;
  /** Rounds done, their masks and weights included. */
  #round: number;
  readonly #tally: Tally;
  #ema: Ema | undefined;
  #clock = performance.now();
  #started = false;
  #kernelsTold = false;
  /** Tensors beside those of the model, once the iteration is over. */
  #finalMemory: readonly NamedTensor[] | undefined;

  constructor(model: Classifier, options: TrainOptions) {
    this.#model = model;
    this.#options = options;
    checkOptions(options);
    this.#batching = batchingOf(options);
    this.#seed = options.seed ?? 0;
    this.#description = descriptionOf(model, options, this.#batching);
    this.#length = new TrainingLength(options, this.#batching.images);
    checkModel(model, options);
    const position = options.resume?.position;
    if (options.resume !== undefined) checkResume(options.resume.position, this.#length.totalSteps, this.#description);
    this.#sparsity = new SparsityState(model, options.sparsity);
    this.#flops = new FlopsMeter(model, options.data.imageShape, position?.trainFlops ?? 0);
    this.#startStep = position?.step ?? 0;
    this.#step = this.#startStep;
    this.#round = position?.round ?? 0;
    this.#tally = new Tally(position);
  }

  async save(path: string, extra: Readonly<Record<string, string>> = {}): Promise<void> {
    const step = this.#step;
    if (this.#sparsity.disposed && this.#options.sparsity !== undefined && step < this.#length.totalSteps) {
      throw new ArgumentError(
        `save: the run was left after ${step} of ${this.#length.totalSteps} steps, and what its mask strategy remembered is ` +
          'freed; save at an event, inside the loop',
        { op: 'save' },
      );
    }
    const memory = this.#finalMemory ?? this.#memory();
    await writeCheckpoint(path, this.#model, () => this.#position(step), extra, memory);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TrainEvent> {
    if (this.#started) throw new ArgumentError('train: a run can be iterated once; call train again', { op: 'train' });
    this.#started = true;
    const { optimizer, labelSmoothing = 0, ema: emaOptions } = this.#options;
    using input = new TrainInput(this.#model.device, this.#options, this.#batching);
    using sparsity = this.#sparsity;
    using ema = emaOptions === undefined ? undefined : new Ema(this.#model, emaOptions);
    this.#ema = ema;
    await using _ = { [Symbol.asyncDispose]: () => this.#keepMemory() };
    using trainStep = new TrainStep(this.#model, {
      optimizer,
      labelSmoothing,
      parts: this.#batching.accumulate,
      input: (dtype, part) => input.load(dtype, part),
      observe: () => sparsity.observe(),
      stepped: () => ema?.update(),
    });
    using evaluation = new LazyEvaluator(this.#model, this.#options, this.#batching.batchSize);
    await this.#begin(trainStep, input);
    yield await this.#startEvent();
    yield* this.#warnings();
    yield* this.#loop(trainStep, input, evaluation);
  }

  /** Reads what strategy and average hold before their tensors go, so that `save` still works. After a fault there is nothing to keep. */
  async #keepMemory(): Promise<void> {
    this.#finalMemory = await this.#memory().catch(() => []);
  }

  /** What a checkpoint holds beside the model and the optimizer; of the moment of the call. */
  async #memory(): Promise<readonly NamedTensor[]> {
    const average = this.#ema === undefined ? [] : readAverage(this.#ema.tensors);
    return (await Promise.all([readMemory(this.#sparsity.memory), average])).flat();
  }

  async *#loop(trainStep: TrainStep, input: TrainInput, evaluation: LazyEvaluator): AsyncGenerator<TrainEvent> {
    const { totalSteps } = this.#length;
    const aborted = (): boolean => this.#options.signal?.aborted === true;
    const firstImageStep = this.#step;
    const secondsBefore = this.#tally.trainSeconds;
    let epochStart = { seconds: secondsBefore, step: this.#step };
    let pending: Pending | undefined;
    this.#clock = performance.now();
    while (this.#step < totalSteps && !aborted()) {
      if (this.#length.at(this.#step).round > this.#round) {
        yield await this.#nextRound(trainStep);
        yield* this.#warnings();
      }
      const needs = this.#needs(this.#step);
      // Whoever saves at an event must find masks updated by every step that has been enqueued.
      if (needs.update === true && pending !== undefined) {
        yield* this.#report(pending);
        pending = undefined;
      }
      const next = await this.#enqueue(trainStep, input, needs);
      if (pending !== undefined) yield* this.#report(pending);
      pending = next;
      const epochEnds = this.#length.endsEpoch(this.#step);
      if (needs.update !== true && !epochEnds) continue;
      if (needs.update === true) {
        const finished = await this.#finish(pending);
        const update = await this.#updateMasks(trainStep);
        yield* this.#told(finished);
        yield update;
        yield* this.#warnings();
      } else {
        yield* this.#report(pending);
      }
      pending = undefined;
      if (!epochEnds) continue;
      yield await this.#epochEvent(evaluation, this.#speed(epochStart));
      epochStart = { seconds: this.#tally.trainSeconds, step: this.#step };
      this.#clock = performance.now();
    }
    if (pending !== undefined) yield* this.#report(pending);
    yield this.#endEvent(this.#speed({ step: firstImageStep, seconds: secondsBefore }));
  }

  /** Images per second of training since then. */
  #speed(since: { readonly step: number; readonly seconds: number }): number {
    const images = (this.#step - since.step) * this.#batching.images;
    return images / Math.max(1e-9, this.#tally.trainSeconds - since.seconds);
  }

  /** Loads the checkpoint, or lets the strategy choose the first masks. */
  async #begin(trainStep: TrainStep, { loader }: TrainInput): Promise<void> {
    const { resume } = this.#options;
    const { state } = trainStep;
    if (resume !== undefined) {
      loadWeights(this.#model, resume);
      loadOptimizer(this.#model, resume);
      await this.#sparsity.load(resume.position.strategyState, memoryOf(resume), this.#moment());
      if (this.#ema !== undefined) loadAverage(this.#ema.tensors, resume);
      if (this.#step > 0) {
        state.prepare(this.#length.at(this.#step - 1).progress, this.#needs(this.#step - 1).plain);
        if (state.optimizer.kind === 's2sam') state.perturb();
        state.resumeCounts(resume.position.counts);
      }
      return;
    }
    this.#model.arena.gradient.fill(0);
    this.#model.arena.momentum.fill(0);
    state.restore();
    const { data } = this.#options;
    await this.#sparsity.init({
      ...this.#moment(),
      probeGradient: (options) => probeGradient(trainStep, loader, { ...options, data, seed: this.#seed }),
      probeCurvature: (options) => probeCurvature(trainStep, loader, { ...options, data, seed: this.#seed }),
    });
    this.#rememberForRewinding();
    state.restore();
    this.#model.arena.gradient.fill(0);
    this.#ema?.reset();
  }

  async #enqueue(trainStep: TrainStep, input: TrainInput, needs: StepNeeds): Promise<Pending> {
    const step = this.#step;
    const place = this.#length.at(step);
    const { epoch, epochOfRound, progress } = place;
    const begin = performance.now();
    await input.select(place);
    this.#fitImages(trainStep, epochOfRound);
    const dataWaitMs = performance.now() - begin;
    this.#ema?.prepare(progress.step);
    const result = this.#tally.counting(trainStep.run(progress, needs));
    result.catch(() => undefined); // awaited one step later
    this.#flops.add({ ...trainStep.cost(progress, needs), images: this.#batching.images });
    this.#step = step + 1;
    this.#rememberForRewinding();
    return { step: this.#step, epoch, lr: trainStep.state.lr(progress), result, dataWaitMs };
  }

  /** Recordings and costs follow the size of the images, where that changes with the epochs. */
  #fitImages(trainStep: TrainStep, epoch: number): void {
    const size = this.#options.imageSize?.(epoch);
    if (size === undefined || size === this.#imageSize) return;
    this.#imageSize = size;
    trainStep.forget();
    this.#flops.imagesChanged(size);
  }

  /** Waits for a step and turns it into its event. */
  async #finish({ step, epoch, lr, result, dataWaitMs }: Pending): Promise<StepEvent> {
    const { loss, correct, gradNorm, skippedSteps, lossScale } = await result;
    if (!Number.isFinite(loss)) throw await this.#nonFinite(step, loss);
    const now = performance.now();
    const stepMs = now - this.#clock;
    this.#clock = now;
    this.#tally.trainSeconds += stepMs / 1000;
    const { density } = densityOf(this.#model.arena);
    return {
      type: 'step',
      step,
      epoch,
      loss,
      accuracy: correct / this.#batching.images,
      lr,
      gradNorm,
      skippedSteps,
      lossScale: lossScale === 0 ? undefined : lossScale,
      stepMs,
      dataWaitMs,
      imagesPerSecond: (this.#batching.images * 1000) / stepMs,
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
    await this.#changeMasks();
    const { state } = trainStep;
    state.scaleGradient();
    if (state.optimizer.kind === 's2sam') state.perturb();
    else state.restore();
    return this.#maskEvent();
  }

  /** Lets the strategy choose the masks of the next round, which starts from the weights that were remembered. */
  async #nextRound(trainStep: TrainStep): Promise<MaskEvent> {
    this.#round += 1;
    await this.#changeMasks();
    this.#sparsity.rewind();
    this.#ema?.reset();
    trainStep.state.restore();
    return this.#maskEvent();
  }

  async #changeMasks(): Promise<void> {
    const before = densityOf(this.#model.arena).density;
    await this.#sparsity.update(this.#moment());
    this.#ema?.enforce();
    this.#flops.masksChanged();
    // What a network with more weights reached says nothing about the sparser one.
    if (densityOf(this.#model.arena).density < before) this.#tally.bestTestAccuracy = undefined;
  }

  #rememberForRewinding(): void {
    if (this.#options.sparsity?.rounds?.rewindStep === this.#step) this.#sparsity.remember();
  }

  /** What there is to tell of a step once it is done. */
  async *#report(pending: Pending): AsyncGenerator<StepEvent | KernelsEvent> {
    yield* this.#told(await this.#finish(pending));
  }

  /** A finished step and, behind the first, how layers are computed. */
  *#told(event: StepEvent): Generator<StepEvent | KernelsEvent> {
    yield event;
    if (this.#kernelsTold) return;
    this.#kernelsTold = true;
    const choices = this.#model.device.kernelChoices();
    if (choices.length > 0) yield { type: 'kernels', step: event.step, choices };
  }

  *#warnings(): Generator<WarningEvent> {
    for (const message of this.#sparsity.takeWarnings()) yield { type: 'warning', step: this.#step, message };
  }

  async #maskEvent(): Promise<MaskEvent> {
    const { density, layers } = densityOf(this.#model.arena);
    const { churn, explored } = this.#sparsity;
    const checksum = await this.#sparsity.checksum();
    return {
      type: 'mask',
      step: this.#step,
      epoch: this.#epoch(),
      density,
      layers: layers.map((layer) => ({ ...layer, ...(churn.get(layer.name) ?? { dropped: 0, grown: 0 }) })),
      explored,
      flops: this.#flops.forward,
      checksum,
    };
  }

  async #epochEvent(evaluation: LazyEvaluator, imagesPerSecond: number): Promise<EpochEvent> {
    const sums = this.#tally.closeEpoch();
    const epoch = this.#epoch();
    const test = () => evaluation.after(epoch, this.#step === this.#length.totalSteps);
    const own = await test();
    const average = await this.#ema?.instead(test);
    if (own !== undefined) this.#tally.tested(own.accuracy);
    const { density, layers } = densityOf(this.#model.arena);
    return {
      type: 'epoch',
      epoch,
      step: this.#step,
      trainLoss: sums.loss / sums.steps,
      trainAccuracy: sums.correct / (sums.steps * this.#batching.images),
      testLoss: own?.loss,
      testAccuracy: own?.accuracy,
      bestTestAccuracy: this.#tally.bestTestAccuracy,
      testLossEma: average?.loss,
      testAccuracyEma: average?.accuracy,
      testSeconds: own === undefined ? undefined : own.seconds + (average?.seconds ?? 0),
      trainSeconds: this.#tally.trainSeconds,
      imagesPerSecond,
      density,
      layers,
      explored: this.#sparsity.explored,
      trainFlops: this.#flops.total,
    };
  }

  async #startEvent(): Promise<StartEvent> {
    return {
      type: 'start',
      ...settingOf(this.#model, this.#options, this.#description),
      ...densityOf(this.#model.arena),
      checksum: await this.#sparsity.checksum(),
      flops: this.#flops.forward,
      stepsPerEpoch: this.#length.stepsPerEpoch,
      totalSteps: this.#length.totalSteps,
      startStep: this.#startStep,
    };
  }

  #endEvent(imagesPerSecond: number): EndEvent {
    return {
      type: 'end',
      reason: this.#step < this.#length.totalSteps ? 'aborted' : 'finished',
      step: this.#step,
      epoch: this.#epoch(),
      testAccuracy: this.#tally.lastTestAccuracy,
      bestTestAccuracy: this.#tally.bestTestAccuracy,
      trainSeconds: this.#tally.trainSeconds,
      imagesPerSecond,
      density: densityOf(this.#model.arena).density,
      explored: this.#sparsity.explored,
      trainFlops: this.#flops.total,
      flops: this.#flops.forward,
    };
  }

  #position(step: number): TrainingPosition {
    const { datasetName, ...description } = this.#description;
    return {
      step,
      totalSteps: this.#length.totalSteps,
      dataset: datasetName,
      ...description,
      ...this.#tally.counted,
      trainFlops: this.#flops.total,
      strategyState: this.#sparsity.strategy?.state?.() ?? null,
      round: this.#round,
    };
  }

  #needs(step: number): StepNeeds {
    const { stepsPerEpoch, totalSteps } = this.#length;
    return this.#sparsity.needs(step, { stepsPerEpoch, totalSteps, round: this.#length.at(step).round });
  }

  /** Now, for the strategy. */
  #moment() {
    const { stepsPerEpoch, totalSteps } = this.#length;
    const onlyInInit = (op: string) => (): Promise<void> =>
      Promise.reject(new ArgumentError(`${op}: only available in init`, { op }));
    return {
      step: this.#step,
      round: this.#round,
      stepsPerEpoch,
      totalSteps,
      seed: this.#seed,
      probeGradient: onlyInInit('probeGradient'),
      probeCurvature: onlyInInit('probeCurvature'),
    };
  }

  /** Epoch of the last step done. */
  #epoch(): number {
    return this.#length.at(Math.max(0, this.#step - 1)).epoch;
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
