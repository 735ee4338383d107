import { flatten } from '../autograd/elementwise.js';
import { avgPool2d } from '../autograd/pool.js';
import type { ChannelCounts, ChannelFlow } from '../nn/channels.js';
import { inTurn } from '../nn/inTurn.js';
import { Linear } from '../nn/layers.js';
import { initialize, type Module } from '../nn/module.js';
import { positiveInteger, type Tensor } from '../tensor/tensor.js';
import { Classifier, checkCounts, type ModelOptions } from './classifier.js';
import { halving, vggFeatures, vggForward, vggGroups } from './vggFeatures.js';

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
    const { layers, outputs } = vggFeatures(vgg19Layers, (index) => counts.get(`feature.${index}`));
    this.feature = layers;
    this.classifier = new Linear(outputs, classes, { role: 'classifier' });
  }

  /** One group per convolution. */
  override channelGroups(): readonly ChannelFlow[] {
    return vggGroups('feature', this.feature, this.classifier);
  }

  override narrowed(channels: ChannelCounts): Classifier {
    checkCounts(this, channels);
    return new Vgg(this.classes, channels);
  }

  forward(x: Tensor): Tensor {
    return inTurn(x, [...vggForward(this.feature), (y) => this.classifier.forward(flatten(avgPool2d(y, halving)))]);
  }
}

/** VGG-19 with batch norm and one linear layer, for 32x32 images; 20,035,018 parameters at 10 classes. */
export function vgg19(options: ModelOptions): Classifier {
  const { classes = 10 } = options;
  return initialize(new Vgg(positiveInteger('vgg19', 'classes', classes)), options);
}
