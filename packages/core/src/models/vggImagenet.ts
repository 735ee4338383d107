import { flatten, relu } from '../autograd/elementwise.js';
import { avgPool2d } from '../autograd/pool.js';
import { ShapeError } from '../errors.js';
import type { ChannelCounts, ChannelFlow } from '../nn/channels.js';
import { inTurn } from '../nn/inTurn.js';
import { Dropout, Linear } from '../nn/layers.js';
import { initialize, type Module } from '../nn/module.js';
import { positiveInteger, type Tensor } from '../tensor/tensor.js';
import { Classifier, checkCounts, type ModelOptions } from './classifier.js';
import { ReLU, type VggLayer, vggFeatures, vggForward, vggGroups } from './vggFeatures.js';

/** Height and width of what the classifier reads. */
const SIDE = 7;
/** The five max pools divide height and width by this. */
const REDUCTION = 32;

interface Plan {
  readonly name: string;
  readonly layers: readonly VggLayer[];
  readonly classes: number;
  readonly hidden: number;
  readonly dropout: number;
}

class VggImagenet extends Classifier {
  readonly features: readonly Module[];
  readonly classifier: readonly [Linear, ReLU, Dropout, Linear, ReLU, Dropout, Linear];
  readonly #plan: Plan;

  /** `counts`: channels of convolutions, by the names of `channelGroups`, where they are fewer than in the plan. */
  constructor(plan: Plan, counts: ChannelCounts = new Map()) {
    const { name, layers, classes, hidden, dropout } = plan;
    super(name, classes, 3, SIDE * REDUCTION);
    this.#plan = plan;
    const features = vggFeatures(layers, (index) => counts.get(`features.${index}`), { bias: 'inNorm' });
    this.features = features.layers;
    this.classifier = [
      new Linear(features.outputs * SIDE * SIDE, hidden),
      new ReLU(),
      new Dropout(dropout),
      new Linear(hidden, hidden),
      new ReLU(),
      new Dropout(dropout),
      new Linear(hidden, classes, { role: 'classifier' }),
    ];
  }

  /** One group per convolution; the hidden units of the classifier are none. */
  override channelGroups(): readonly ChannelFlow[] {
    return vggGroups('features', this.features, this.classifier[0]);
  }

  override narrowed(channels: ChannelCounts): Classifier {
    checkCounts(this, channels);
    return new VggImagenet(this.#plan, channels);
  }

  /** Throws ShapeError for images of a size that does not come out as a multiple of 7x7. */
  forward(x: Tensor): Tensor {
    const [first, , drop1, second, , drop2, last] = this.classifier;
    const pool = this.#pooling(x);
    return inTurn(x, [
      ...vggForward(this.features),
      (y) => flatten(pool(y)),
      (y) => drop1.forward(relu(first.forward(y))),
      (y) => drop2.forward(relu(second.forward(y))),
      (y) => last.forward(y),
    ]);
  }

  /** torchvision's adaptive average pool to 7x7, where each of its windows has the same size and none overlap. */
  #pooling({ shape }: Tensor): (y: Tensor) => Tensor {
    const [, , height = 0, width = 0] = shape;
    const window = [height, width].map((side) => Math.floor(side / REDUCTION) / SIDE);
    if (window.some((side) => side < 1 || !Number.isInteger(side))) {
      throw new ShapeError(
        `${this.name}: images are ${height}x${width}; height and width must each be 224 to 255, 448 to 479, or 224 k to 224 k + 31 for ` +
          'another whole k, so that features come out as a multiple of 7x7',
        { op: this.name },
      );
    }
    const [h = 1, w = 1] = window;
    return (y) => (h === 1 && w === 1 ? y : avgPool2d(y, { kernel: [h, w], stride: [h, w], padding: [0, 0] }));
  }
}

export interface VggImagenetOptions extends ModelOptions {
  /** Default 1000. */
  readonly classes?: number;
  /** Units of the two hidden linear layers. Default 4096. */
  readonly hidden?: number;
  /** Share of the hidden units that is dropped in training, from 0 to below 1. Default 0.5. */
  readonly dropout?: number;
}

const vgg =
  (name: string, depths: readonly number[]) =>
  (options: VggImagenetOptions): Classifier => {
    const { classes = 1000, hidden = 4096, dropout = 0.5 } = options;
    positiveInteger(name, 'classes', classes);
    positiveInteger(name, 'hidden', hidden);
    const layers = depths.flatMap((depth, stage): VggLayer[] => [
      ...new Array<number>(depth).fill(Math.min(64 * 2 ** stage, 512)),
      'M',
    ]);
    return initialize(new VggImagenet({ name, layers, classes, hidden, dropout }), options);
  };

/**
 * VGG for ImageNet (Simonyan & Zisserman 2015, configurations D and E) with batch norm, torchvision's `vgg16_bn` and `vgg19_bn`, with its
 * parameter names. Images of 224x224, see `forward`.
 */
/** 138,365,992 parameters at 1000 classes, 15.470 G multiply-adds at 224x224. */
export const vgg16Imagenet = vgg('vgg16Imagenet', [2, 2, 3, 3, 3]);
/** 143,678,248 parameters at 1000 classes, 19.632 G multiply-adds at 224x224. */
export const vgg19Imagenet = vgg('vgg19Imagenet', [2, 2, 4, 4, 4]);
