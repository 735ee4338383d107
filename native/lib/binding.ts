/**
 * The typed surface of `s2sam_cpu.node` (and of its CUDA sibling): integer handles and positional numbers, so that a call
 * costs tens of nanoseconds. Shapes are checked in the addon, once, for every device. Nobody outside `@s2sam/native` and
 * `@s2sam/core` should need this file.
 *
 * Every call may throw an `Error` with the own properties `code` (see errors.ts) and `op`; nothing is enqueued and no handle
 * is made then. Ops on one device run in the order they were called; tensors of different devices never mix.
 */

/** A tensor of one device. 0 stands for "none" where a parameter says so. */
export type TensorHandle = number;
export type MaskHandle = number;
export type GraphHandle = number;
export type DeviceHandle = number;

export type DTypeName = 'f32' | 'i32' | 'u32' | 'u8' | 'f16' | 'bf16';
/** Types of activations; `f16` (IEEE binary16) and `bf16` only where the backend stores them. Host arrays of all three are f32. */
export type FloatName = 'f32' | 'f16' | 'bf16';
export type HostArray = Float32Array | Int32Array | Uint32Array | Uint8Array;
/** What `read` resolves with: an array of its own. */
export type ReadArray =
  | Float32Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

/** Codes of `binary`. */
export const BinaryOp = { add: 0, sub: 1, mul: 2, div: 3, maximum: 4 } as const;
/** Codes of `unary`. */
export const UnaryOp = { relu: 0, exp: 1, log: 2, sqrt: 3, abs: 4, square: 5 } as const;
/** Codes of `reduce` and `reduceRows`. */
export const ReduceOp = { sum: 0, mean: 1, max: 2, min: 3, sumSquares: 4, countNonzero: 5 } as const;
/** Codes of `maskCombine`. */
export const CombineOp = { intersect: 0, unite: 1, subtract: 2, copy: 3 } as const;
/** Slots of the `hyper` tensor (f32, HYPER_SIZE). */
export const Hyper = { lr: 0, momentum: 1, rho: 2, maxNorm: 3 } as const;
export const HYPER_SIZE = 8;
/** Slots of the `stats` tensor (f32, STATS_SIZE). */
export const Stat = {
  gradNorm: 0,
  perturbNorm: 1,
  skippedSteps: 2,
  skippedPerturbations: 3,
  /** What the loss was multiplied by; 0: nothing. */
  lossScale: 4,
  /** Finite steps since it last changed. */
  goodSteps: 5,
} as const;
export const STATS_SIZE = 8;

export interface BackendInfo {
  /** Version of the package the binary was built from; the loader refuses another. */
  version: string;
  backend: 'cpu' | 'cuda';
  /** Devices of this backend; the CPU backend has exactly one. isa: instruction set, on a GPU compute capability, e.g. sm_90. */
  devices: { name: string; memoryBytes: number; isa?: string; cores?: number }[];
  /** What the binary was compiled for, best last: instruction sets, or sm_NN (machine code) and compute_NN (PTX). */
  compiledIsas: string[];
  /**
   * Compiler and libraries. CUDA: `runtime` and `driver` ("CUDA 13.0"), `problem` if the driver has one, and for each library
   * that was named to `useLibraries` its version and path, or what went wrong.
   */
  build: Record<string, string>;
}

/** One op while a profile was taken. */
export interface ProfileSpan {
  readonly op: string;
  /** What `label` said when it was enqueued; '' where nothing. */
  readonly label: string;
  /** Seconds since the profile began. */
  readonly begin: number;
  readonly end: number;
  /** Floating-point operations of convolutions and linear layers: CPU: at kept weights only; CUDA: at all, unless masked ones are skipped. */
  readonly flops: number;
  /** Bytes of the tensors it reads and writes, each counted once. */
  readonly bytes: number;
}

/** What a device reaches at most: GFLOP/s, GB/s. */
export interface MachinePeaks {
  /** In f32 (never TF32). CPU: fused multiply-adds on registers, all threads together; CUDA: a large product by cuBLAS. */
  readonly arithmetic: number;
  /** CUDA: the same in bf16, summed in f32. */
  readonly halfArithmetic?: number;
  /** CPU: fused multiply-adds with one operand of each loaded from the first-level or the second-level cache. */
  readonly firstLevel?: number;
  readonly secondLevel?: number;
  /** Copying: bytes read plus bytes written. */
  readonly memory: number;
}

/** How one pass over one layer is computed. */
export interface KernelChoice {
  /** The layer, see `label`. */
  readonly label: string;
  /** `conv2d`, `conv2dBackwardData`, `conv2dBackwardWeight` or their linear counterparts. */
  readonly op: string;
  /** Share of weights kept when it was chosen; CUDA: multiplied, 1 where masked ones are zeros like others. */
  readonly density: number;
  /** E.g. `sparse, 1x7 pixels, 32 channels at a time`, `dense`; CUDA: `gemm`, `direct`, `sparse`, an engine of cuDNN with its settings. */
  readonly kernel: string;
  /** What was timed, in milliseconds; empty where a rule decided or the choice was remembered from an earlier process. */
  readonly candidates: readonly { readonly kernel: string; readonly milliseconds: number }[];
  /** CUDA: what did not work, with the library's own words. */
  readonly refused: readonly { readonly kernel: string; readonly why: string }[];
}

export interface MemoryInfo {
  /** Bytes in tensors that are alive. */
  active: number;
  /** Most bytes alive at once since the device was opened or `resetPeak`. */
  peak: number;
  /** Bytes held for reuse (freed tensors, captured steps, scratch). */
  cached: number;
  /** Living tensor handles. */
  tensors: number;
  masks: number;
  graphs: number;
}

export interface NativeBinding {
  info(): BackendInfo;
  /**
   * Tells the backend, before its first use, where shared libraries lie that it may open: by name (cublasLt, cublas, nvJitLink,
   * cusparse, cudnn) the path. One not named is not used. The CPU backend uses none.
   */
  useLibraries(paths: Readonly<Record<string, string>>): void;

  // ---- devices -------------------------------------------------------------------------------------------------------
  /** threads 0: as many as this machine has cores. */
  openDevice(index: number, threads: number): DeviceHandle;
  /** Drops queued work, waits for what runs; every tensor, mask and graph of the device is disposed. Idempotent. */
  closeDevice(device: DeviceHandle): void;
  deviceInfo(device: DeviceHandle): { kind: 'cpu' | 'cuda'; name: string; isa: string; threads: number };
  memory(device: DeviceHandle): MemoryInfo;
  resetPeak(device: DeviceHandle): void;
  /** Gives cached memory back to the system. */
  trim(device: DeviceHandle): void;
  /** Resolves after everything enqueued so far; rejects with the first error a command met since the last wait. */
  synchronize(device: DeviceHandle): Promise<void>;

  // ---- profiles --------------------------------------------------------------------------------------------------------
  /** Ops enqueued or recorded from now on carry this text in profiles; '' ends that. */
  label(device: DeviceHandle, text: string): void;
  /**
   * From now on ops are timed as they run, and what was timed before is forgotten. CUDA: those of a recorded step if it was recorded
   * while a profile was taken, and its replay then waits for the device. Not while a step is recorded.
   */
  beginProfile(device: DeviceHandle): void;
  /** What has run since, in order. Wait for the device first: what still runs is left out. */
  endProfile(device: DeviceHandle): ProfileSpan[];
  /** How layers have been computed so far, in the order of first use; of layers whose mask changed, the newest. */
  choices(device: DeviceHandle): KernelChoice[];
  /** Takes about a second. Throws DeviceError where cuBLAS is missing (CUDA). */
  measurePeaks(device: DeviceHandle): Promise<MachinePeaks>;

  // ---- tensors -------------------------------------------------------------------------------------------------------
  /** Whether the backend computes with this type; the CPU has no f16 and bf16. */
  stores(dtype: DTypeName): boolean;
  /** Zero-filled. `activation`: rank 4, floating point, in the backend's own layout. */
  create(device: DeviceHandle, dtype: DTypeName, shape: readonly number[], activation: boolean): TensorHandle;
  /** A window on a plain tensor's elements [offset, offset + count(shape)); shares and keeps alive its memory. */
  view(tensor: TensorHandle, offset: number, shape: readonly number[]): TensorHandle;
  /** Idempotent; the memory is reused once no view or captured step needs it. */
  dispose(tensor: TensorHandle): void;
  shape(tensor: TensorHandle): number[];
  dtype(tensor: TensorHandle): DTypeName;
  isActivation(tensor: TensorHandle): boolean;
  /**
   * Copies the array at once (it may be reused on return); logical row-major order, converted to the tensor's layout and, from f32,
   * to f16 or bf16.
   */
  write(tensor: TensorHandle, data: HostArray): void;
  /** Logical row-major order; a Float32Array for f16 and bf16. */
  read(tensor: TensorHandle): Promise<ReadArray>;
  fill(tensor: TensorHandle, value: number): void;
  /** Same shape; formats may differ, and floating-point types. */
  copy(from: TensorHandle, to: TensorHandle): void;
  /** The same values in another floating-point type. */
  cast(x: TensorHandle, dtype: FloatName): TensorHandle;
  gather(x: TensorHandle, indices: TensorHandle): TensorHandle;
  /** Activation [N,C,H,W] -> plain [N, C*H*W] in logical order, and back. */
  flatten(x: TensorHandle): TensorHandle;
  unflatten(x: TensorHandle, c: number, h: number, w: number): TensorHandle;

  // ---- recorded steps ------------------------------------------------------------------------------------------------
  /** From here to captureEnd ops of the device are recorded, not run; tensors made meanwhile live in the step arena. */
  captureBegin(device: DeviceHandle): void;
  captureEnd(device: DeviceHandle): GraphHandle;
  captureAbort(device: DeviceHandle): void;
  /** Throws where it is stale. */
  replay(graph: GraphHandle): void;
  /** Whether the step was recorded for the pattern of a mask that has changed since (CUDA, where sparse products are used). */
  isStale(graph: GraphHandle): boolean;
  disposeGraph(graph: GraphHandle): void;

  // ---- convolution and linear (w f32 or of x's type, dw and biases f32; results have x's type) --------------------------
  conv2d(
    x: TensorHandle,
    w: TensorHandle,
    mask: MaskHandle,
    strideH: number,
    strideW: number,
    padH: number,
    padW: number,
  ): TensorHandle;
  /** Gradient for x of spatial size (h, w). `into` (or 0): an existing gradient that is added to and returned. */
  conv2dBackwardData(
    dy: TensorHandle,
    w: TensorHandle,
    mask: MaskHandle,
    h: number,
    w_: number,
    strideH: number,
    strideW: number,
    padH: number,
    padW: number,
    into: TensorHandle,
  ): TensorHandle;
  /** Writes (accumulate: adds to) dw [O,I,kH,kW]. `everywhere`: also where the mask is 0. */
  conv2dBackwardWeight(
    x: TensorHandle,
    dy: TensorHandle,
    dw: TensorHandle,
    mask: MaskHandle,
    strideH: number,
    strideW: number,
    padH: number,
    padW: number,
    everywhere: boolean,
    accumulate: boolean,
  ): void;
  linear(x: TensorHandle, w: TensorHandle, mask: MaskHandle, bias: TensorHandle): TensorHandle;
  linearBackwardData(dy: TensorHandle, w: TensorHandle, mask: MaskHandle, into: TensorHandle): TensorHandle;
  linearBackwardWeight(
    x: TensorHandle,
    dy: TensorHandle,
    dw: TensorHandle,
    mask: MaskHandle,
    everywhere: boolean,
    accumulate: boolean,
  ): void;
  linearBackwardBias(dy: TensorHandle, db: TensorHandle, accumulate: boolean): void;

  // ---- batch norm (residual 0: none; running* 0: not updated) ----------------------------------------------------------
  /** Returns [y, savedMean, savedInvStd, passed]; passed (or 0) says for backward what the ReLU let pass. */
  batchNormTrain(
    x: TensorHandle,
    gamma: TensorHandle,
    beta: TensorHandle,
    residual: TensorHandle,
    runningMean: TensorHandle,
    runningVar: TensorHandle,
    eps: number,
    momentum: number,
    relu: boolean,
  ): [TensorHandle, TensorHandle, TensorHandle, TensorHandle];
  batchNormEval(
    x: TensorHandle,
    gamma: TensorHandle,
    beta: TensorHandle,
    residual: TensorHandle,
    runningMean: TensorHandle,
    runningVar: TensorHandle,
    eps: number,
    relu: boolean,
  ): [TensorHandle, TensorHandle, TensorHandle, TensorHandle];
  /** Returns [dx, dresidual or 0]; writes or accumulates dgamma and dbeta. */
  batchNormBackward(
    dy: TensorHandle,
    x: TensorHandle,
    y: TensorHandle,
    passed: TensorHandle,
    gamma: TensorHandle,
    savedMean: TensorHandle,
    savedInvStd: TensorHandle,
    dgamma: TensorHandle,
    dbeta: TensorHandle,
    relu: boolean,
    training: boolean,
    accumulate: boolean,
    wantResidual: boolean,
  ): [TensorHandle, TensorHandle];

  // ---- pooling ---------------------------------------------------------------------------------------------------------
  /** Returns [y, argmax]; argmax is only good for maxPoolBackward. */
  maxPool(
    x: TensorHandle,
    kH: number,
    kW: number,
    strideH: number,
    strideW: number,
    padH: number,
    padW: number,
  ): [TensorHandle, TensorHandle];
  maxPoolBackward(
    dy: TensorHandle,
    argmax: TensorHandle,
    h: number,
    w: number,
    kH: number,
    kW: number,
    strideH: number,
    strideW: number,
    padH: number,
    padW: number,
  ): TensorHandle;
  avgPool(
    x: TensorHandle,
    kH: number,
    kW: number,
    strideH: number,
    strideW: number,
    padH: number,
    padW: number,
  ): TensorHandle;
  avgPoolBackward(
    dy: TensorHandle,
    h: number,
    w: number,
    kH: number,
    kW: number,
    strideH: number,
    strideW: number,
    padH: number,
    padW: number,
  ): TensorHandle;
  /** [N,C,H,W] -> plain [N,C]. */
  globalAvgPool(x: TensorHandle): TensorHandle;
  globalAvgPoolBackward(dy: TensorHandle, h: number, w: number): TensorHandle;

  // ---- loss and metrics (f32) --------------------------------------------------------------------------------------------
  /** Returns [loss [1], probabilities [N,K]]. */
  softmaxCrossEntropy(logits: TensorHandle, labels: TensorHandle, smoothing: number): [TensorHandle, TensorHandle];
  softmaxCrossEntropyBackward(
    probabilities: TensorHandle,
    labels: TensorHandle,
    dloss: TensorHandle,
    smoothing: number,
  ): TensorHandle;
  countCorrect(logits: TensorHandle, labels: TensorHandle, k: number): TensorHandle;
  /** Returns [values, indices]. */
  topK(x: TensorHandle, k: number): [TensorHandle, TensorHandle];

  // ---- input ---------------------------------------------------------------------------------------------------------------
  /** Images of type `dtype`. mix (or 0): f32 [5], lambda and the box x0, y0, x1, y1 by which rows are mixed with the rows before them. */
  augment(
    images: TensorHandle,
    indices: TensorHandle,
    clock: TensorHandle,
    mean: TensorHandle,
    std: TensorHandle,
    pad: number,
    flip: boolean,
    key0: number,
    key1: number,
    dtype: FloatName,
    mix: TensorHandle,
  ): TensorHandle;

  // ---- element-wise and reductions -------------------------------------------------------------------------------------------
  binary(op: number, a: TensorHandle, b: TensorHandle): TensorHandle;
  unary(op: number, x: TensorHandle): TensorHandle;
  affine(x: TensorHandle, scale: number, shift: number): TensorHandle;
  /** y += scale * x. */
  addInto(x: TensorHandle, scale: number, y: TensorHandle): void;
  reluBackward(dy: TensorHandle, y: TensorHandle): TensorHandle;
  /** x times the one element of `scalar`. */
  scaleBy(x: TensorHandle, scalar: TensorHandle): TensorHandle;
  /** y moves towards x by the share in the one element of `weight`; torch.lerp. */
  lerpInto(x: TensorHandle, weight: TensorHandle, y: TensorHandle): void;
  /** The one element of `scalar` times factor, everywhere, in the shape and format of `like`. */
  expand(scalar: TensorHandle, factor: number, like: TensorHandle): TensorHandle;
  /** f32 [1]. */
  reduce(op: number, x: TensorHandle): TensorHandle;
  /** The same over each x[i, ...] of a plain tensor: [x.shape[0]]. */
  reduceRows(op: number, x: TensorHandle): TensorHandle;

  // ---- random numbers (key: two unsigned 32-bit words) -----------------------------------------------------------------------
  randomUniform(y: TensorHandle, key0: number, key1: number, lo: number, hi: number): void;
  randomNormal(y: TensorHandle, key0: number, key1: number, mean: number, std: number): void;
  /** Zeros with probability p, the others divided by 1 - p; which ones: by the key and the i32 in `clock`. x plain. */
  dropout(x: TensorHandle, clock: TensorHandle, p: number, key0: number, key1: number): TensorHandle;

  // ---- masks ---------------------------------------------------------------------------------------------------------------------
  /** A mask over a parameter of this shape whose bits live in `bits` (u32 [ceil(count / 32)], kept alive); bits as they are. */
  createMask(bits: TensorHandle, shape: readonly number[]): MaskHandle;
  disposeMask(mask: MaskHandle): void;
  maskFill(mask: MaskHandle, keep: boolean): void;
  maskWrite(mask: MaskHandle, words: Uint32Array): void;
  maskRandom(mask: MaskHandle, keep: number, key0: number, key1: number): void;
  /** The three below rank several masks together, as if their parameters lay one behind the other; scores[k] is of masks[k]. */
  maskTopK(masks: readonly MaskHandle[], scores: readonly TensorHandle[], keep: number): void;
  maskDrop(masks: readonly MaskHandle[], scores: readonly TensorHandle[], drop: number): void;
  maskGrow(masks: readonly MaskHandle[], scores: readonly TensorHandle[], grow: number): void;
  /** Removes the kept whose score is below the threshold, but leaves the `atLeast` largest of them. */
  maskDropBelow(mask: MaskHandle, scores: TensorHandle, threshold: number, atLeast: number): void;
  /** Adds positions kept neither by the mask nor by `except` (0: none). */
  maskGrowRandom(mask: MaskHandle, except: MaskHandle, grow: number, key0: number, key1: number): void;
  /** into = into op other. */
  maskCombine(op: number, other: MaskHandle, into: MaskHandle): void;
  maskApply(mask: MaskHandle, x: TensorHandle, y: TensorHandle): void;
  /** f32 of the parameter's shape, 1 where kept. */
  maskExpand(mask: MaskHandle): TensorHandle;
  /** u32 [3]: kept count, 64-bit checksum low and high word. */
  maskSummary(mask: MaskHandle): TensorHandle;

  // ---- the optimizer step over one flat arena (compute: f16 or bf16 copy of the working weights, 0: none) -----------------------------
  /** bits, weights: 0 for none. Writes stats[slot]. */
  gradientNorm(
    gradient: TensorHandle,
    bits: TensorHandle,
    weights: TensorHandle,
    slot: number,
    stats: TensorHandle,
  ): void;
  optimizerStep(
    master: TensorHandle,
    momentum: TensorHandle,
    gradient: TensorHandle,
    working: TensorHandle,
    compute: TensorHandle,
    bits: TensorHandle,
    segments: TensorHandle,
    decay: TensorHandle,
    hyper: TensorHandle,
    stats: TensorHandle,
    nesterov: boolean,
    masked: boolean,
    perturb: boolean,
  ): void;
  perturb(
    master: TensorHandle,
    gradient: TensorHandle,
    working: TensorHandle,
    compute: TensorHandle,
    bits: TensorHandle,
    hyper: TensorHandle,
    stats: TensorHandle,
    masked: boolean,
    adaptive: boolean,
  ): void;
  /** Halves stats[lossScale] where stats[gradNorm] is not finite, doubles it after `interval` finite steps; leaves a 0 alone. */
  updateLossScale(stats: TensorHandle, interval: number): void;
}
