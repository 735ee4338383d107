import { globalAvgPool } from '../autograd/pool.js';
import { inTurn } from '../nn/inTurn.js';
import { BatchNorm2d, Conv2d, Linear } from '../nn/layers.js';
import { initialize, Module } from '../nn/module.js';
import { positiveInteger, type Tensor } from '../tensor/tensor.js';
import { Classifier, type ModelOptions } from './classifier.js';

/** conv3x3-BN-ReLU-conv3x3-BN, plus the input (projected by a 1x1 convolution where the shape changes), ReLU. */
class BasicBlock extends Module {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly shortcut: readonly [] | readonly [Conv2d, BatchNorm2d];

  constructor(inputs: number, outputs: number, stride: number) {
    super();
    this.conv1 = new Conv2d(inputs, outputs, { kernel: 3, stride, padding: 1 });
    this.bn1 = new BatchNorm2d(outputs);
    this.conv2 = new Conv2d(outputs, outputs, { kernel: 3, padding: 1 });
    this.bn2 = new BatchNorm2d(outputs);
    this.shortcut =
      stride === 1 && inputs === outputs
        ? []
        : [new Conv2d(inputs, outputs, { kernel: 1, stride, role: 'shortcut' }), new BatchNorm2d(outputs)];
  }

  forward(x: Tensor): Tensor {
    const hidden = this.bn1.apply(this.conv1.forward(x), { relu: true });
    const [conv, bn] = this.shortcut;
    const residual = conv === undefined || bn === undefined ? x : bn.forward(conv.forward(x));
    return this.bn2.apply(this.conv2.forward(hidden), { relu: true, residual });
  }
}

class ResNetCifar extends Classifier {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly layer1: readonly BasicBlock[];
  readonly layer2: readonly BasicBlock[];
  readonly layer3: readonly BasicBlock[];
  readonly fc: Linear;

  constructor(depth: number, classes: number, width: number) {
    super(`resnet${depth}`, classes, 3);
    const blocks = (depth - 2) / 6;
    const stage = (inputs: number, outputs: number, stride: number): BasicBlock[] =>
      Array.from({ length: blocks }, (_, index) =>
        index === 0 ? new BasicBlock(inputs, outputs, stride) : new BasicBlock(outputs, outputs, 1),
      );
    this.conv1 = new Conv2d(3, width, { kernel: 3, padding: 1, role: 'stem' });
    this.bn1 = new BatchNorm2d(width);
    this.layer1 = stage(width, width, 1);
    this.layer2 = stage(width, 2 * width, 2);
    this.layer3 = stage(2 * width, 4 * width, 2);
    this.fc = new Linear(4 * width, classes, { role: 'classifier' });
  }

  forward(x: Tensor): Tensor {
    return inTurn(x, [
      (images) => this.bn1.apply(this.conv1.forward(images), { relu: true }),
      ...[...this.layer1, ...this.layer2, ...this.layer3].map((block) => (y: Tensor) => block.forward(y)),
      (y) => this.fc.forward(globalAvgPool(y)),
    ]);
  }
}

export interface ResNetCifarOptions extends ModelOptions {
  /**
   * Channels of the first stage, doubled in each of the two others. Default 32, as in the literature on sparse training (GraSP, MEST,
   * S2-SAM); He et al. 2016 have 16.
   */
  readonly width?: number;
}

const resnet =
  (depth: number) =>
  (options: ResNetCifarOptions): Classifier => {
    const { classes = 10, width = 32 } = options;
    positiveInteger(`resnet${depth}`, 'classes', classes);
    positiveInteger(`resnet${depth}`, 'width', width);
    return initialize(new ResNetCifar(depth, classes, width), options);
  };

/** Residual networks for 32x32 images (He et al. 2016, section 4.2) with projection shortcuts. */
export const resnet20 = resnet(20);
/** 1,860,522 parameters at 10 classes. */
export const resnet32 = resnet(32);
export const resnet44 = resnet(44);
export const resnet56 = resnet(56);
