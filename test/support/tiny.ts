import {
  BatchNorm2d,
  Classifier,
  Conv2d,
  type Device,
  globalAvgPool,
  type ImageDataset,
  initialize,
  Linear,
  type ModelOptions,
  philox,
  type Split,
  streamKey,
  type Tensor,
} from '@s2sam/core';

/** conv-BN-ReLU, conv-BN-ReLU with stride 2, mean, linear: every kind of parameter, in milliseconds. */
class TinyNet extends Classifier {
  readonly conv1 = new Conv2d(3, 16, { kernel: 3, padding: 1, role: 'stem' });
  readonly bn1 = new BatchNorm2d(16);
  readonly conv2 = new Conv2d(16, 24, { kernel: 3, stride: 2, padding: 1 });
  readonly bn2 = new BatchNorm2d(24);
  readonly fc: Linear;

  constructor(classes: number) {
    super('tiny', classes, 3);
    this.fc = new Linear(24, classes, { std: 0.1, role: 'classifier' });
  }

  forward(x: Tensor): Tensor {
    const hidden = this.bn1.apply(this.conv1.forward(x), { relu: true });
    return this.fc.forward(globalAvgPool(this.bn2.apply(this.conv2.forward(hidden), { relu: true })));
  }
}

export const tinyNet = (device: Device, options: Omit<ModelOptions, 'device'> = {}): Classifier =>
  initialize(new TinyNet(options.classes ?? 4), { ...options, device });

/** Noise around one colour per class, so that a network can learn something. */
function split(name: string, size: number, classes: number, side: number): Split {
  const images = new Uint8Array(size * 3 * side * side);
  const labels = new Uint8Array(size);
  const key = streamKey(7, name);
  for (let i = 0; i < size; i++) {
    const label = i % classes;
    labels[i] = label;
    for (let p = 0; p < 3 * side * side; p++) {
      const [noise] = philox(key, p, i);
      const channel = Math.floor(p / (side * side));
      images[i * 3 * side * side + p] = (noise >>> 25) + (label % 3 === channel ? 100 : 20) + (label >= 3 ? 20 : 0);
    }
  }
  return { size, images, labels };
}

export const tinyData = (train = 96, test = 40, classes = 4, side = 8): ImageDataset => ({
  name: 'tiny',
  synthetic: true,
  classes,
  imageShape: [3, side, side],
  mean: [0.4, 0.4, 0.4],
  std: [0.25, 0.25, 0.25],
  augmentation: { pad: 1, flip: true },
  train: split('train', train, classes, side),
  test: split('test', test, classes, side),
});
