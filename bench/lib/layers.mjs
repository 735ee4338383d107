const imagenet = (name, channels, filters, kernel, side, stride = 1) => {
  return { name, batch: 16, channels, filters, kernel, stride, side };
};
const cifar = (channels, side) => {
  return { name: `cifar 3x3 ${channels}@${side}`, batch: 128, channels, filters: channels, kernel: 3, stride: 1, side };
};

/** Layers of ResNet-50 at 224 x 224 and of ResNets for CIFAR: channels to filters @ side of the input. */
export const LAYERS = [
  imagenet('3x3 64@56', 64, 64, 3, 56),
  imagenet('3x3 128@28', 128, 128, 3, 28),
  imagenet('3x3 256@14', 256, 256, 3, 14),
  imagenet('3x3 512@7', 512, 512, 3, 7),
  imagenet('1x1 64-256@56', 64, 256, 1, 56),
  imagenet('1x1 512-128@28', 512, 128, 1, 28),
  imagenet('1x1 1024-256@14', 1024, 256, 1, 14),
  imagenet('1x1 2048-512@7', 2048, 512, 1, 7),
  imagenet('3x3/2 128@56', 128, 128, 3, 56, 2),
  imagenet('1x1/2 256-512@56', 256, 512, 1, 56, 2),
  cifar(16, 32),
  cifar(32, 32),
  cifar(64, 16),
  cifar(128, 8),
  cifar(64, 8),
];

export const PASSES = ['forward', 'data', 'weight'];
const PASS_OF = { conv2d: 'forward', conv2dBackwardData: 'data', conv2dBackwardWeight: 'weight' };

/** Forward and both gradients together. */
export const sumOf = (ms) => PASSES.reduce((sum, pass) => sum + ms[pass], 0);

/**
 * The sparsity from which on we are the faster, interpolated between the measured ones; null where we never are. `sums`:
 * [{sparsity, speedup}], by sparsity.
 */
export function breakEven(sums) {
  const last = sums.findLastIndex(({ speedup }) => speedup < 1);
  if (last < 0) return 0;
  const [below, above] = [sums[last], sums[last + 1]];
  if (above === undefined) return null;
  const share = (1 - below.speedup) / (above.speedup - below.speedup);
  return below.sparsity + share * (above.sparsity - below.sparsity);
}

/** One layer of ours with random weights and a random mask; images and gradients have the borders they have in a network. */
export class OurLayer {
  /** GFLOP of one pass, at kept weights. */
  gflop = 0;
  #native;
  #device;
  #tensors = [];
  #mask;
  #passes;

  constructor(device, { batch, channels, filters, kernel, stride, side }, sparsity) {
    const native = device.native;
    this.#native = native;
    this.#device = device.handle;
    const pad = (kernel - 1) >> 1;
    const outputs = Math.floor((side + 2 * pad - kernel) / stride) + 1;
    const shape = [filters, channels, kernel, kernel];
    const w = this.#create(shape);
    native.randomNormal(w, 1, 2, 0, Math.sqrt(2 / (filters * kernel * kernel)));
    this.#mask = sparsity === 0 ? 0 : this.#drawMask(shape, sparsity, w);
    const dw = this.#create(shape);
    const x = this.#images([batch, channels, side, side], 3);
    const dy = this.#images([batch, filters, outputs, outputs], 4);
    this.#passes = () => {
      native.dispose(native.conv2d(x, w, this.#mask, stride, stride, pad, pad));
      native.dispose(native.conv2dBackwardData(dy, w, this.#mask, side, side, stride, stride, pad, pad, 0));
      native.conv2dBackwardWeight(x, dy, dw, this.#mask, stride, stride, pad, pad, false, false);
    };
  }

  /** Kernels are chosen at the first use. */
  async warmUp() {
    for (let i = 0; i < 2; i++) this.#passes();
    await this.#native.synchronize(this.#device);
  }

  /** Milliseconds of each pass. */
  async run() {
    this.#native.beginProfile(this.#device);
    this.#passes();
    await this.#native.synchronize(this.#device);
    const spans = this.#native.endProfile(this.#device);
    this.gflop = spans[0].flops / 1e9;
    return Object.fromEntries(spans.map(({ op, begin, end }) => [PASS_OF[op], 1000 * (end - begin)]));
  }

  close() {
    if (this.#mask !== 0) this.#native.disposeMask(this.#mask);
    for (const tensor of this.#tensors) this.#native.dispose(tensor);
  }

  #own(tensor) {
    this.#tensors.push(tensor);
    return tensor;
  }

  #create(shape, dtype = 'f32') {
    return this.#own(this.#native.create(this.#device, dtype, shape, false));
  }

  #drawMask(shape, sparsity, w) {
    const count = shape.reduce((product, extent) => product * extent, 1);
    const mask = this.#native.createMask(this.#create([Math.ceil(count / 32)], 'u32'), shape);
    this.#native.maskRandom(mask, Math.round(count * (1 - sparsity)), 5, 6);
    this.#native.maskApply(mask, w, w);
    return mask;
  }

  /** Noise as batch norm leaves it, with the border that convolutions need. */
  #images([n, c, h, w], key) {
    const native = this.#native;
    const flat = native.create(this.#device, 'f32', [n, c * h * w], false);
    native.randomNormal(flat, key, 0, 0, 1);
    const plain = native.unflatten(flat, c, h, w);
    const [gamma, beta] = [this.#create([c]), this.#create([c])];
    native.fill(gamma, 1);
    const outputs = native.batchNormTrain(plain, gamma, beta, 0, 0, 0, 1e-5, 0.1, false);
    for (const tensor of [flat, plain, ...outputs.slice(1)]) if (tensor !== 0) native.dispose(tensor);
    return this.#own(outputs[0]);
  }
}
