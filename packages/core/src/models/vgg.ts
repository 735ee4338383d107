import { flatten } from '../autograd/elementwise.js';
import { avgPool2d, maxPool2d } from '../autograd/pool.js';
import type { ChannelCounts, ChannelFlow } from '../nn/channels.js';
import { inTurn } from '../nn/inTurn.js';
import { BatchNorm2d, Conv2d, Linear } from '../nn/layers.js';
import { initialize, Module } from '../nn/module.js';
import { positiveInteger, type Tensor } from '../tensor/tensor.js';
import { Classifier, checkCounts, type ModelOptions } from './classifier.js';

const halving = { kernel: [2, 2], stride: [2, 2], padding: [0, 0] } as const;

class ReLU extends Module {
  /** Fused into the batch norm before it; holds its place so that layer numbers are PyTorch's. */
  forward(x: Tensor): Tensor {
    return x;
  }
}

class MaxPool extends Module {
  forward(x: Tensor): Tensor {
    return maxPool2d(x, halving);
  }
}

/** Output channels of the convolutions, `M` for a 2x2 max pool: VGG-19 (Simonyan & Zisserman 2015) for 32x32 images. */
const vgg19Layers = [
  64,
  64,
  'M',
  128,
  128,
  'M',
  256,
  256,
  256,
  256,
  'M',
  512,
  512,
  512,
  512,
  'M',
  512,
  512,
  512,
  512,
] as const;

class Vgg extends Classifier {
  readonly feature: readonly Module[];
  readonly classifier: Linear;

  /** `counts`: channels of convolutions, by the names of `channelGroups`, where they are fewer than in VGG-19. */
  constructor(classes: number, counts: ChannelCounts = new Map()) {
    super('vgg19', classes, 3);
    const feature: Module[] = [];
    let inputs = 3;
    for (const full of vgg19Layers) {
      const layer = full === 'M' ? full : (counts.get(`feature.${feature.length}`) ?? full);
      if (layer === 'M') {
        feature.push(new MaxPool());
      } else {
        const role = feature.length === 0 ? 'stem' : 'body';
        feature.push(new Conv2d(inputs, layer, { kernel: 3, padding: 1, role }), new BatchNorm2d(layer), new ReLU());
        inputs = layer;
      }
    }
    this.feature = feature;
    this.classifier = new Linear(inputs, classes, { role: 'classifier' });
  }

  /** One group per convolution. */
  override channelGroups(): readonly ChannelFlow[] {
    const convolutions = this.feature.flatMap((layer, index) => (layer instanceof Conv2d ? [{ layer, index }] : []));
    return convolutions.map(
      ({ layer, index }, i): ChannelFlow => ({
        name: `feature.${index}`,
        channels: layer.outputs,
        producers: [layer],
        norms: [this.feature[index + 1] as BatchNorm2d],
        consumers: [convolutions[i + 1]?.layer ?? this.classifier],
      }),
    );
  }

  override narrowed(channels: ChannelCounts): Classifier {
    checkCounts(this, channels);
    return new Vgg(this.classes, channels);
  }

  forward(x: Tensor): Tensor {
    const features = this.feature.map(
      (layer) => (y: Tensor) => (layer instanceof BatchNorm2d ? layer.apply(y, { relu: true }) : layer.forward(y)),
    );
    return inTurn(x, [...features, (y) => this.classifier.forward(flatten(avgPool2d(y, halving)))]);
  }
}

/** VGG-19 with batch norm and one linear layer, for 32x32 images; 20,035,018 parameters at 10 classes. */
export function vgg19(options: ModelOptions): Classifier {
  const { classes = 10 } = options;
  return initialize(new Vgg(positiveInteger('vgg19', 'classes', classes)), options);
}
