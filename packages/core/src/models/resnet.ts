import { globalAvgPool, maxPool2d } from '../autograd/pool.js';
import type { ChannelCounts, ChannelFlow } from '../nn/channels.js';
import { inTurn } from '../nn/inTurn.js';
import { BatchNorm2d, Conv2d, Linear } from '../nn/layers.js';
import { initialize, Module } from '../nn/module.js';
import { positiveInteger, type Tensor } from '../tensor/tensor.js';
import { Classifier, checkCounts, type ModelOptions } from './classifier.js';

/** Projection of a block's input where the block changes its shape; `downsample` as torchvision names it. */
type Projection = readonly [] | readonly [Conv2d, BatchNorm2d];

const projection = (inputs: number, outputs: number, stride: number): Projection =>
  stride === 1 && inputs === outputs
    ? []
    : [new Conv2d(inputs, outputs, { kernel: 1, stride, role: 'shortcut' }), new BatchNorm2d(outputs)];

const project = ([conv, bn]: Projection, x: Tensor): Tensor =>
  conv === undefined || bn === undefined ? x : bn.forward(conv.forward(x));

interface BlockOptions {
  readonly stride: number;
  /** Channels of the inner convolutions of a bottleneck, over its width. */
  readonly widening: number;
  /** Initial gamma of the last batch norm. */
  readonly lastGamma: number;
  /** Output channels of a convolution inside the block, where they are fewer than its width. */
  readonly channels: (convolution: 'conv1' | 'conv2') => number | undefined;
}

const between = (name: string, producer: Conv2d, norm: BatchNorm2d, consumer: Conv2d): ChannelFlow => ({
  name,
  channels: producer.outputs,
  producers: [producer],
  norms: [norm],
  consumers: [consumer],
});

/** conv3x3-BN-ReLU-conv3x3-BN plus the input, ReLU. */
class BasicBlock extends Module {
  static readonly expansion = 1;
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly downsample: Projection;

  constructor(inputs: number, width: number, options: BlockOptions) {
    super();
    const { stride, lastGamma, channels } = options;
    const hidden = channels('conv1') ?? width;
    this.conv1 = new Conv2d(inputs, hidden, { kernel: 3, stride, padding: 1 });
    this.bn1 = new BatchNorm2d(hidden);
    this.conv2 = new Conv2d(hidden, width, { kernel: 3, padding: 1 });
    this.bn2 = new BatchNorm2d(width, { gamma: lastGamma });
    this.downsample = projection(inputs, width, stride);
  }

  inner(name: string): ChannelFlow[] {
    return [between(`${name}.conv1`, this.conv1, this.bn1, this.conv2)];
  }

  forward(x: Tensor): Tensor {
    const hidden = this.bn1.apply(this.conv1.forward(x), { relu: true });
    return this.bn2.apply(this.conv2.forward(hidden), { relu: true, residual: project(this.downsample, x) });
  }
}

/**
 * conv1x1-BN-ReLU, conv3x3-BN-ReLU (with the stride: "v1.5"), conv1x1-BN to four times the width, plus the input, ReLU. `widening`
 * concerns the first two alone.
 */
class Bottleneck extends Module {
  static readonly expansion = 4;
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly conv3: Conv2d;
  readonly bn3: BatchNorm2d;
  readonly downsample: Projection;

  constructor(inputs: number, width: number, options: BlockOptions) {
    super();
    const { stride, widening, lastGamma, channels } = options;
    const outputs = width * Bottleneck.expansion;
    const inner = width * widening;
    const [narrow, hidden] = [channels('conv1') ?? inner, channels('conv2') ?? inner];
    this.conv1 = new Conv2d(inputs, narrow, { kernel: 1 });
    this.bn1 = new BatchNorm2d(narrow);
    this.conv2 = new Conv2d(narrow, hidden, { kernel: 3, stride, padding: 1 });
    this.bn2 = new BatchNorm2d(hidden);
    this.conv3 = new Conv2d(hidden, outputs, { kernel: 1 });
    this.bn3 = new BatchNorm2d(outputs, { gamma: lastGamma });
    this.downsample = projection(inputs, outputs, stride);
  }

  inner(name: string): ChannelFlow[] {
    return [
      between(`${name}.conv1`, this.conv1, this.bn1, this.conv2),
      between(`${name}.conv2`, this.conv2, this.bn2, this.conv3),
    ];
  }

  forward(x: Tensor): Tensor {
    const narrow = this.bn1.apply(this.conv1.forward(x), { relu: true });
    const hidden = this.bn2.apply(this.conv2.forward(narrow), { relu: true });
    return this.bn3.apply(this.conv3.forward(hidden), { relu: true, residual: project(this.downsample, x) });
  }
}

type Block = typeof BasicBlock | typeof Bottleneck;

interface Plan {
  readonly name: string;
  readonly Kind: Block;
  /** Per stage. */
  readonly blocks: readonly number[];
  readonly widening: number;
  readonly classes: number;
  readonly lastGamma: number;
}

const stem = { kernel: [3, 3], stride: [2, 2], padding: [1, 1] } as const;

class ResNet extends Classifier {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly layer1: readonly InstanceType<Block>[];
  readonly layer2: readonly InstanceType<Block>[];
  readonly layer3: readonly InstanceType<Block>[];
  readonly layer4: readonly InstanceType<Block>[];
  readonly fc: Linear;
  readonly #plan: Plan;

  /** `counts`: channels inside blocks, by the names of `channelGroups`, where they are fewer than the width. */
  constructor(plan: Plan, counts: ChannelCounts = new Map()) {
    const { name, Kind, blocks, widening, classes, lastGamma } = plan;
    super(name, classes, 3, 224);
    this.#plan = plan;
    let inputs = 64;
    const stage = (index: number): InstanceType<Block>[] => {
      const width = 64 * 2 ** index;
      return Array.from({ length: blocks[index] as number }, (_, position) => {
        const stride = index > 0 && position === 0 ? 2 : 1;
        const channels = (convolution: string) => counts.get(`layer${index + 1}.${position}.${convolution}`);
        const block = new Kind(inputs, width, { stride, widening, lastGamma, channels });
        inputs = width * Kind.expansion;
        return block;
      });
    };
    this.conv1 = new Conv2d(3, 64, { kernel: 7, stride: 2, padding: 3, role: 'stem' });
    this.bn1 = new BatchNorm2d(64);
    this.layer1 = stage(0);
    this.layer2 = stage(1);
    this.layer3 = stage(2);
    this.layer4 = stage(3);
    this.fc = new Linear(inputs, classes, { role: 'classifier' });
  }

  /** The channels inside blocks; those that residual sums couple are left alone. */
  override channelGroups(): readonly ChannelFlow[] {
    return [this.layer1, this.layer2, this.layer3, this.layer4].flatMap((blocks, stage) =>
      blocks.flatMap((block, position) => block.inner(`layer${stage + 1}.${position}`)),
    );
  }

  override narrowed(channels: ChannelCounts): Classifier {
    checkCounts(this, channels);
    return new ResNet(this.#plan, channels);
  }

  forward(x: Tensor): Tensor {
    const blocks = [...this.layer1, ...this.layer2, ...this.layer3, ...this.layer4];
    return inTurn(x, [
      (images) => this.bn1.apply(this.conv1.forward(images), { relu: true }),
      (y) => maxPool2d(y, stem),
      ...blocks.map((block) => (y: Tensor) => block.forward(y)),
      (y) => this.fc.forward(globalAvgPool(y)),
    ]);
  }
}

export interface ResNetOptions extends Omit<ModelOptions, 'classes'> {
  /** Default 1000. */
  readonly classes?: number;
  /** Start the last gamma of every block at 0, so that each block begins as the identity (Goyal et al. 2017). Default false. */
  readonly zeroInitResidual?: boolean;
}

const resnet =
  (name: string, Kind: Block, blocks: readonly [number, number, number, number], widening = 1) =>
  (options: ResNetOptions): Classifier => {
    const { classes = 1000, zeroInitResidual = false } = options;
    positiveInteger(name, 'classes', classes);
    const lastGamma = zeroInitResidual ? 0 : 1;
    return initialize(new ResNet({ name, Kind, blocks, widening, classes, lastGamma }), options);
  };

/**
 * Residual networks for ImageNet (He et al. 2016, section 4.1), with torchvision's parameter names. Images of any size from 32 on;
 * 224 is customary.
 */
export const resnet18 = resnet('resnet18', BasicBlock, [2, 2, 2, 2]);
export const resnet34 = resnet('resnet34', BasicBlock, [3, 4, 6, 3]);
/** The stride is in the 3x3 convolutions ("v1.5"); 25,557,032 parameters at 1000 classes, 4.089 G multiply-adds at 224x224. */
export const resnet50 = resnet('resnet50', Bottleneck, [3, 4, 6, 3]);
export const resnet101 = resnet('resnet101', Bottleneck, [3, 4, 23, 3]);
/**
 * Twice the channels inside the bottlenecks (Zagoruyko & Komodakis 2016, section 3.4; torchvision's `wide_resnet50_2`); 68,883,240
 * parameters at 1000 classes, 11.398 G multiply-adds at 224x224.
 */
export const wideResnet50_2 = resnet('wideResnet50_2', Bottleneck, [3, 4, 6, 3], 2);
/** torchvision's `wide_resnet101_2`; 126,886,696 parameters at 1000 classes, 22.753 G multiply-adds at 224x224. */
export const wideResnet101_2 = resnet('wideResnet101_2', Bottleneck, [3, 4, 23, 3], 2);
