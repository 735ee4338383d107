import { add } from '../autograd/elementwise.js';
import { globalAvgPool } from '../autograd/pool.js';
import { ArgumentError } from '../errors.js';
import type { ChannelCounts, ChannelFlow } from '../nn/channels.js';
import { inTurn } from '../nn/inTurn.js';
import { BatchNorm2d, Conv2d, Linear } from '../nn/layers.js';
import { initialize, Module } from '../nn/module.js';
import { positiveInteger, type Tensor } from '../tensor/tensor.js';
import { Classifier, checkCounts, type ModelOptions } from './classifier.js';

interface BlockPlan {
  readonly inputs: number;
  readonly hidden: number;
  readonly outputs: number;
  readonly stride: number;
  readonly project: boolean;
}

/**
 * BN-ReLU-conv3x3-BN-ReLU-conv3x3, plus the input. Where the shape changes, a 1x1 convolution of what the first ReLU made takes the
 * input's place.
 */
class PreActivationBlock extends Module {
  readonly bn1: BatchNorm2d;
  readonly conv1: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly convShortcut: Conv2d | undefined;

  constructor({ inputs, hidden, outputs, stride, project }: BlockPlan) {
    super();
    this.bn1 = new BatchNorm2d(inputs);
    this.conv1 = new Conv2d(inputs, hidden, { kernel: 3, stride, padding: 1 });
    this.bn2 = new BatchNorm2d(hidden);
    this.conv2 = new Conv2d(hidden, outputs, { kernel: 3, padding: 1 });
    this.convShortcut = project ? new Conv2d(inputs, outputs, { kernel: 1, stride, role: 'shortcut' }) : undefined;
  }

  /** What reads the block's input behind `bn1`. */
  get readers(): readonly Conv2d[] {
    return this.convShortcut === undefined ? [this.conv1] : [this.conv1, this.convShortcut];
  }

  forward(x: Tensor): Tensor {
    const active = this.bn1.apply(x, { relu: true });
    const hidden = this.bn2.apply(this.conv1.forward(active), { relu: true });
    return add(this.conv2.forward(hidden), this.convShortcut?.forward(active) ?? x);
  }
}

/** Blocks of one width; holds them so that names are those of the usual PyTorch port: `block1.layer.0.conv1.weight`. */
class Stage extends Module {
  constructor(readonly layer: readonly PreActivationBlock[]) {
    super();
  }

  forward(x: Tensor): Tensor {
    return inTurn(
      x,
      this.layer.map((block) => (y: Tensor) => block.forward(y)),
    );
  }
}

const STEM_CHANNELS = 16;

class WideResNetCifar extends Classifier {
  readonly conv1: Conv2d;
  readonly block1: Stage;
  readonly block2: Stage;
  readonly block3: Stage;
  readonly bn1: BatchNorm2d;
  readonly fc: Linear;

  /** `counts`: channels of groups, by the names of `channelGroups`, where they are fewer than the width says. */
  constructor(
    readonly depth: number,
    readonly width: number,
    classes: number,
    counts: ChannelCounts = new Map(),
  ) {
    super(`wideResnet${depth}_${width}`, classes, 3);
    const stem = counts.get('conv1') ?? STEM_CHANNELS;
    this.conv1 = new Conv2d(3, stem, { kernel: 3, padding: 1, role: 'stem' });
    let inputs = stem;
    const stage = (index: number): Stage => {
      const [name, full] = [`block${index}`, STEM_CHANNELS * width * 2 ** (index - 1)];
      // Where nothing changes the shape, the sums of the first stage reach back to the stem.
      const joined = index === 1 && full === STEM_CHANNELS;
      const outputs = joined ? stem : (counts.get(name) ?? full);
      const blocks = Array.from({ length: (depth - 4) / 6 }, (_, position) => {
        const first = position === 0;
        const block = new PreActivationBlock({
          inputs,
          hidden: counts.get(`${name}.layer.${position}.conv1`) ?? full,
          outputs,
          stride: first && index > 1 ? 2 : 1,
          project: first && !joined,
        });
        inputs = outputs;
        return block;
      });
      return new Stage(blocks);
    };
    this.block1 = stage(1);
    this.block2 = stage(2);
    this.block3 = stage(3);
    this.bn1 = new BatchNorm2d(inputs);
    this.fc = new Linear(inputs, classes, { role: 'classifier' });
  }

  /** One group inside each block, one for the stem, and one for each stage, whose residual sums couple its blocks. */
  override channelGroups(): readonly ChannelFlow[] {
    const stages = [this.block1, this.block2, this.block3];
    const inner = stages.flatMap(({ layer }, s) =>
      layer.map(
        ({ conv1, bn2, conv2 }, b): ChannelFlow => ({
          name: `block${s + 1}.layer.${b}.conv1`,
          channels: conv1.outputs,
          producers: [conv1],
          norms: [bn2],
          consumers: [conv2],
        }),
      ),
    );
    return [...inner, ...this.#sums(stages)];
  }

  override narrowed(channels: ChannelCounts): Classifier {
    checkCounts(this, channels);
    return new WideResNetCifar(this.depth, this.width, this.classes, channels);
  }

  /** The groups whose channels pass from block to block: made by all of a run of blocks, read by those behind the first and the next run. */
  #sums(stages: readonly Stage[]): ChannelFlow[] {
    const groups: ChannelFlow[] = [];
    let [name, makers, readers] = ['conv1', [this.conv1], [] as PreActivationBlock[]];
    const close = (norms: readonly BatchNorm2d[], consumers: readonly (Conv2d | Linear)[]): void => {
      groups.push({
        name,
        channels: (makers[0] as Conv2d).outputs,
        producers: makers,
        norms: [...readers.map(({ bn1 }) => bn1), ...norms],
        consumers: [...readers.flatMap((block) => block.readers), ...consumers],
      });
    };
    for (const [s, { layer }] of stages.entries()) {
      for (const block of layer) {
        readers.push(block);
        if (block.convShortcut === undefined) {
          makers.push(block.conv2);
          continue;
        }
        close([], []);
        [name, makers, readers] = [`block${s + 1}`, [block.convShortcut, block.conv2], []];
      }
    }
    close([this.bn1], [this.fc]);
    return groups;
  }

  forward(x: Tensor): Tensor {
    return inTurn(x, [
      (images) => this.conv1.forward(images),
      (y) => this.block1.forward(y),
      (y) => this.block2.forward(y),
      (y) => this.block3.forward(y),
      (y) => this.fc.forward(globalAvgPool(this.bn1.apply(y, { relu: true }))),
    ]);
  }
}

export interface WideResNetCifarOptions extends ModelOptions {
  /** Layers with 3x3 convolutions and the classifier, as the paper counts: 6n + 4 for n blocks per stage. */
  readonly depth: number;
  /** Channels of the first stage over 16; doubled in each of the two others. */
  readonly width: number;
}

/**
 * Wide residual networks for 32x32 images (Zagoruyko & Komodakis 2016), without dropout: blocks with batch norm and ReLU before the
 * convolutions, no batch norm on shortcuts. Parameter names are those of the usual PyTorch port (`block1.layer.0.convShortcut.weight`).
 * Throws ArgumentError for a depth that is not 6n + 4.
 */
export function wideResnetCifar(options: WideResNetCifarOptions): Classifier {
  const { depth, width, classes = 10 } = options;
  const op = 'wideResnetCifar';
  positiveInteger(op, 'width', width);
  positiveInteger(op, 'classes', classes);
  if (!Number.isInteger(depth) || depth < 10 || depth % 6 !== 4) {
    throw new ArgumentError(`${op}: depth is ${depth}; it must be 6n + 4 for n blocks per stage: 10, 16, 22, 28, ...`, {
      op,
    });
  }
  return initialize(new WideResNetCifar(depth, width, classes), options);
}

const wide =
  (depth: number, width: number) =>
  (options: ModelOptions): Classifier =>
    wideResnetCifar({ ...options, depth, width });

export const wideResnet16_4 = wide(16, 4);
/** The network of RigL on CIFAR-10 (Evci et al. 2020); 1,079,642 parameters at 10 classes, 157.7 M multiply-adds. */
export const wideResnet22_2 = wide(22, 2);
export const wideResnet28_2 = wide(28, 2);
/** 36,479,194 parameters at 10 classes, 5.243 G multiply-adds. */
export const wideResnet28_10 = wide(28, 10);
