import type { EndEvent, EpochEvent, LayerDensity, MaskEvent, StartEvent, StepEvent, TrainEvent } from '@s2sam/core';

/** A made-up run of fixed numbers, for tests of what watches a training. */

export const layers: readonly LayerDensity[] = [
  { name: 'conv1.weight', shape: [32, 3, 3, 3], kept: 864, size: 864, density: 1 },
  { name: 'layer1.0.conv1.weight', shape: [32, 32, 3, 3], kept: 2304, size: 9216, density: 0.25 },
];

export const startEvent = (changes: Partial<StartEvent> = {}): StartEvent => ({
  type: 'start',
  model: 'resnet32',
  parameters: 1_860_522,
  nonZero: 190_496,
  density: 0.1,
  layers,
  checksum: '00000000000000aa',
  flops: { sparse: 96_400_000, dense: 551_225_856 },
  sparsity: 'static(erk)',
  optimizer: 's2sam(sgd)',
  dtype: 'f32',
  device: { kind: 'cpu', name: 'Test CPU', isa: 'avx512', threads: 2 },
  dataset: { name: 'cifar10', synthetic: false, classes: 10, trainSize: 50_000, testSize: 10_000 },
  batchSize: 128,
  accumulate: 1,
  ema: 0,
  stepsPerEpoch: 4,
  totalSteps: 8,
  startStep: 0,
  seed: 3,
  ...changes,
});

export const stepEvent = (step: number, changes: Partial<StepEvent> = {}): StepEvent => ({
  type: 'step',
  step,
  epoch: Math.floor((step - 1) / 4),
  loss: 2.5 - 0.25 * step,
  accuracy: 0.0625 * step,
  lr: 0.1,
  gradNorm: 1.5,
  skippedSteps: 0,
  lossScale: undefined,
  stepMs: 250,
  dataWaitMs: 2.5,
  imagesPerSecond: 512,
  density: 0.1,
  ...changes,
});

export const epochEvent = (epoch: number, changes: Partial<EpochEvent> = {}): EpochEvent => ({
  type: 'epoch',
  epoch,
  step: 4 * (epoch + 1),
  trainLoss: 1.875,
  trainAccuracy: 0.15625,
  testLoss: 1.75,
  testAccuracy: 0.25 * (epoch + 1),
  bestTestAccuracy: 0.25 * (epoch + 1),
  testLossEma: undefined,
  testAccuracyEma: undefined,
  testSeconds: 1,
  trainSeconds: epoch + 1,
  imagesPerSecond: 512,
  density: 0.1,
  layers,
  explored: 0.1,
  trainFlops: 148_070_400_000 * (epoch + 1),
  ...changes,
});

export const maskEvent = (step: number, changes: Partial<MaskEvent> = {}): MaskEvent => ({
  type: 'mask',
  step,
  epoch: Math.floor((step - 1) / 4),
  density: 0.1,
  layers: layers.map((layer) => ({
    ...layer,
    dropped: layer.density < 1 ? 691 : 0,
    grown: layer.density < 1 ? 690 : 0,
  })),
  explored: 0.125,
  flops: { sparse: 96_400_000, dense: 551_225_856 },
  checksum: '00000000000000bb',
  ...changes,
});

export const endEvent = (changes: Partial<EndEvent> = {}): EndEvent => ({
  type: 'end',
  reason: 'finished',
  step: 8,
  epoch: 1,
  testAccuracy: 0.5,
  bestTestAccuracy: 0.5,
  trainSeconds: 2,
  imagesPerSecond: 512,
  density: 0.1,
  explored: 0.1,
  trainFlops: 296_140_800_000,
  flops: { sparse: 96_400_000, dense: 551_225_856 },
  ...changes,
});

export const syntheticStart = (): StartEvent =>
  startEvent({ dataset: { name: 'procedural', synthetic: true, classes: 10, trainSize: 512, testSize: 128 } });

export const wholeRun = (start: StartEvent = startEvent()): TrainEvent[] => [
  start,
  ...[1, 2, 3, 4].map((step) => stepEvent(step)),
  epochEvent(0),
  ...[5, 6, 7, 8].map((step) => stepEvent(step)),
  epochEvent(1),
  endEvent(),
];
