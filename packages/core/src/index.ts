export { cast } from './autograd/cast.js';
export { type Conv2dGeometry, conv2d } from './autograd/conv.js';
export { Decisions } from './autograd/decisions.js';
export { dropout } from './autograd/dropout.js';
export {
  abs,
  add,
  countNonzero,
  div,
  exp,
  flatten,
  log,
  max,
  mean,
  meanRows,
  min,
  mul,
  relu,
  scaleShift,
  sqrt,
  square,
  sub,
  sum,
  sumRows,
  sumSquares,
} from './autograd/elementwise.js';
export { gram, linear } from './autograd/linear.js';
export { type CrossEntropyOptions, countCorrect, crossEntropy, topK } from './autograd/loss.js';
export { batchNorm } from './autograd/norm.js';
export { avgPool2d, globalAvgPool, maxPool2d, type PoolOptions } from './autograd/pool.js';
export { type BackwardOptions, Tape } from './autograd/tape.js';
export { Device, type DeviceKind, type TensorOptions } from './device/device.js';
export { Graph } from './device/graph.js';
export { type DeviceDescription, type DeviceWish, devices, type OpenDeviceOptions, openDevice } from './device/open.js';
export * from './errors.js';
export { ioError, writeFileAtomically } from './io/atomic.js';
export { type Checkpoint, loadWeights, readCheckpoint, type TrainingPosition, writeImported } from './io/checkpoint.js';
export { type ExportOnnxOptions, exportOnnx, type Normalization, type OnnxExport } from './io/onnx/export.js';
export { loadPretrained, type Pretrained, type PretrainedOptions } from './io/pretrained.js';
export {
  type DeferredTensor,
  type NamedTensor,
  readSafetensors,
  type SafetensorsFile,
  type StoredTensor,
  writeSafetensors,
} from './io/safetensors.js';
export { type ExportedStateDict, type ExportSafetensorsOptions, exportSafetensors } from './io/stateDict.js';
export { Classifier, type ModelOptions } from './models/classifier.js';
export { compact } from './models/compact.js';
export { createModel, type ModelName, modelNames } from './models/registry.js';
export {
  type ResNetOptions,
  resnet18,
  resnet34,
  resnet50,
  resnet101,
  wideResnet50_2,
  wideResnet101_2,
} from './models/resnet.js';
export { type ResNetCifarOptions, resnet20, resnet32, resnet44, resnet56 } from './models/resnetCifar.js';
export { vgg19 } from './models/vgg.js';
export { type VggImagenetOptions, vgg16Imagenet, vgg19Imagenet } from './models/vggImagenet.js';
export {
  type WideResNetCifarOptions,
  wideResnet16_4,
  wideResnet22_2,
  wideResnet28_2,
  wideResnet28_10,
  wideResnetCifar,
} from './models/wideResnetCifar.js';
export { ParameterArena } from './nn/arena.js';
export type { ChannelCounts, ChannelFlow } from './nn/channels.js';
export { inTurn } from './nn/inTurn.js';
export {
  BatchNorm2d,
  type BatchNormApply,
  type BatchNormOptions,
  Conv2d,
  type Conv2dOptions,
  Dropout,
  Linear,
} from './nn/layers.js';
export { Buffer, type InitializeOptions, initialize, Module, Noise } from './nn/module.js';
export { type Init, Parameter, type ParameterKind, type ParameterStorage } from './nn/parameter.js';
export {
  type MaskPolicy,
  type Optimizer,
  type Sgd,
  type SgdOptions,
  type SharpnessAware,
  type SharpnessOptions,
  s2sam,
  sam,
  sgd,
} from './optim/optimizer.js';
export {
  constant,
  cosine,
  type MultiStepOptions,
  multiStep,
  type Progress,
  type Schedule,
  type WarmupOptions,
} from './optim/schedule.js';
export { OptimizerState } from './optim/state.js';
export { type StreamKey, streamKey } from './random/key.js';
export { permutation, philox } from './random/philox.js';
export type { Churn } from './sparsity/exploration.js';
export {
  type FlopsCounter,
  type ForwardFlops,
  forwardFlops,
  type LayerCost,
  layerCosts,
  type StepFlopsOptions,
  stepFlops,
} from './sparsity/flops.js';
export { Mask, type MaskSummary, type ScoredMask, together } from './sparsity/mask.js';
export { type DensityReport, densityOf } from './sparsity/state.js';
export type * from './sparsity/strategy.js';
export { scope, unscoped } from './tensor/scope.js';
export { Tensor } from './tensor/tensor.js';
export type { AnySplit, ImageDataset, ReadRequest, Split, StreamedSplit } from './train/data.js';
export { Ema, type EmaOptions } from './train/ema.js';
export { type EvaluateEvent, type EvaluateOptions, type Evaluation, Evaluator, evaluate } from './train/evaluate.js';
export type * from './train/events.js';
export { type BatchTensors, Loader, type LoaderOptions } from './train/loader.js';
export { cutmixOf, drawMix, type Mix, type MixAlphas, Mixing, type Mixture } from './train/mix.js';
export type { Run, TrainOptions } from './train/options.js';
export { type Prediction, predict } from './train/predict.js';
export { type StepResult, TrainStep, type TrainStepOptions } from './train/step.js';
export { train } from './train/train.js';
