import { ArgumentError } from '../errors.js';
import type { ChannelCounts, ChannelFlow } from '../nn/channels.js';
import { type InitializeOptions, Module } from '../nn/module.js';

/** A network from images [N, C, H, W] to logits [N, classes]. */
export abstract class Classifier extends Module {
  constructor(
    /** As checkpoints and logs name it, e.g. `resnet32`. */
    readonly name: string,
    readonly classes: number,
    /** Channels of the images it takes. */
    readonly channels: number,
    /** Height and width of the images it was made for; most networks take others too. */
    readonly imageSize: number = 32,
  ) {
    super();
  }

  /** Groups of channels that can be removed; none unless a model declares them. */
  channelGroups(): readonly ChannelFlow[] {
    return [];
  }

  /**
   * The same network with so many channels per group, to be initialised. Throws ArgumentError where a model cannot be narrowed or does
   * not know a group.
   */
  narrowed(_channels: ChannelCounts): Classifier {
    throw new ArgumentError(`narrowed: ${this.name} declares no groups of channels`, { op: 'narrowed' });
  }
}

export interface ModelOptions extends InitializeOptions {
  /** Default 10; 1000 for the networks of ImageNet. */
  readonly classes?: number;
}

/** Throws ArgumentError unless every count is of a group of the model and from 1 to its channels. */
export function checkCounts(model: Classifier, counts: ChannelCounts): void {
  const groups = new Map(model.channelGroups().map(({ name, channels }) => [name, channels]));
  for (const [name, count] of counts) {
    const channels = groups.get(name);
    if (channels !== undefined && Number.isInteger(count) && count >= 1 && count <= channels) continue;
    const found =
      channels === undefined ? `has no group '${name}'` : `has ${channels} channels in '${name}', not ${count}`;
    throw new ArgumentError(
      `narrowed: ${model.name} ${found}; counts are whole numbers from 1 to the channels there are`,
      {
        op: 'narrowed',
      },
    );
  }
}
