import { globalAvgPool } from '../autograd/pool.js';
import type { ChannelCounts, ChannelFlow } from '../nn/channels.js';
import { inTurn } from '../nn/inTurn.js';
import { BatchNorm2d, Conv2d, Linear } from '../nn/layers.js';
import { initialize, Module } from '../nn/module.js';
import { positiveInteger, type Tensor } from '../tensor/tensor.js';
import { Classifier, checkCounts, type ModelOptions } from './classifier.js';

/** conv3x3-BN-ReLU-conv3x3-BN, plus the input (projected by a 1x1 convolution where the shape changes), ReLU. */
class BasicBlock extends Module {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly shortcut: readonly [] | readonly [Conv2d, BatchNorm2d];

  constructor(inputs: number, hidden: number, outputs: number, options: { stride: number; project: boolean }) {
    super();
    const { stride, project } = options;
    this.conv1 = new Conv2d(inputs, hidden, { kernel: 3, stride, padding: 1 });
    this.bn1 = new BatchNorm2d(hidden);
    this.conv2 = new Conv2d(hidden, outputs, { kernel: 3, padding: 1 });
    this.bn2 = new BatchNorm2d(outputs);
    this.shortcut = project
      ? [new Conv2d(inputs, outputs, { kernel: 1, stride, role: 'shortcut' }), new BatchNorm2d(outputs)]
      : [];
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

  /** `counts`: channels of groups, by the names of `channelGroups`, where they are fewer than the width says. */
  constructor(
    readonly depth: number,
    classes: number,
    readonly width: number,
    counts: ChannelCounts = new Map(),
  ) {
    super(`resnet${depth}`, classes, 3);
    const blocks = (depth - 2) / 6;
    const stage = (name: string, inputs: number, outputs: number, full: number, stride: number): BasicBlock[] =>
      Array.from({ length: blocks }, (_, index) => {
        const hidden = counts.get(`${name}.${index}.conv1`) ?? full;
        const first = index === 0;
        const project = first && name !== 'layer1';
        return new BasicBlock(first ? inputs : outputs, hidden, outputs, { stride: first ? stride : 1, project });
      });
    const [first, second, third] = ['conv1', 'layer2', 'layer3'].map((name, i) => counts.get(name) ?? width * 2 ** i);
    this.conv1 = new Conv2d(3, first as number, { kernel: 3, padding: 1, role: 'stem' });
    this.bn1 = new BatchNorm2d(first as number);
    this.layer1 = stage('layer1', first as number, first as number, width, 1);
    this.layer2 = stage('layer2', first as number, second as number, 2 * width, 2);
    this.layer3 = stage('layer3', second as number, third as number, 4 * width, 2);
    this.fc = new Linear(third as number, classes, { role: 'classifier' });
  }

  /** One group inside each block, and one for each stage, whose residual sums couple its blocks. */
  override channelGroups(): readonly ChannelFlow[] {
    const stages = [this.layer1, this.layer2, this.layer3];
    const inner = stages.flatMap((blocks, s) =>
      blocks.map(
        ({ conv1, bn1, conv2 }, b): ChannelFlow => ({
          name: `layer${s + 1}.${b}.conv1`,
          channels: conv1.outputs,
          producers: [conv1],
          norms: [bn1],
          consumers: [conv2],
        }),
      ),
    );
    return [...inner, ...stages.map((_, s) => this.#stageGroup(s, stages))];
  }

  override narrowed(channels: ChannelCounts): Classifier {
    checkCounts(this, channels);
    return new ResNetCifar(this.depth, this.classes, this.width, channels);
  }

  #stageGroup(index: number, stages: readonly (readonly BasicBlock[])[]): ChannelFlow {
    const [blocks, next] = [stages[index] as readonly BasicBlock[], stages[index + 1]?.[0]];
    const [projection, norm] = blocks[0]?.shortcut ?? [];
    const first = projection ?? this.conv1;
    const readers = next === undefined ? [this.fc] : [next.conv1, ...(next.shortcut[0] ? [next.shortcut[0]] : [])];
    return {
      name: index === 0 ? 'conv1' : `layer${index + 1}`,
      channels: first.outputs,
      producers: [first, ...blocks.map(({ conv2 }) => conv2)],
      norms: [norm ?? this.bn1, ...blocks.map(({ bn2 }) => bn2)],
      // The first block of a later stage reads the stage before.
      consumers: [...(index === 0 ? blocks : blocks.slice(1)).map(({ conv1 }) => conv1), ...readers],
    };
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
