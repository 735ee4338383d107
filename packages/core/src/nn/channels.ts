import type { BatchNorm2d, Conv2d, Linear } from './layers.js';

/** Channels that can only be removed together, as a model declares them. */
export interface ChannelFlow {
  /** The layer they come from; of several, the first. */
  readonly name: string;
  readonly channels: number;
  /** Convolutions whose outputs they are; several where a residual sum adds them up. */
  readonly producers: readonly Conv2d[];
  readonly norms: readonly BatchNorm2d[];
  /** Layers that read them; a linear layer reads `inputs / channels` consecutive inputs of each. */
  readonly consumers: readonly (Conv2d | Linear)[];
}

/** Channels per group, by name; groups that are not named keep all. */
export type ChannelCounts = ReadonlyMap<string, number>;
