import { type ChannelGroup, ConfigError, type Mask, type MaskedParameter, type SparseLayer } from '@s2sam/core';

/** Which channels of a group are alive. */
export type Alive = readonly boolean[];
export type AliveChannels = ReadonlyMap<ChannelGroup, Alive>;

/** Which groups may lose channels: those inside a block, or also those that a residual sum couples. */
export type GroupChoice = 'inner' | 'all';

/** Throws ConfigError where the model declares no such groups, or one without batch norm. */
export function chooseGroups(op: string, groups: readonly ChannelGroup[], choice: GroupChoice): ChannelGroup[] {
  const chosen = groups.filter(({ producers }) => choice === 'all' || producers.length === 1);
  const bare = chosen.find(({ norms }) => norms.length === 0);
  if (chosen.length > 0 && bare === undefined) return chosen;
  const found = bare === undefined ? 'the model declares no groups of channels' : `'${bare.name}' has no batch norm`;
  throw new ConfigError(`${op}: ${found}; give a model whose channelGroups() names convolutions with batch norm`, {
    op,
  });
}

/** As the masks of batch norm say. */
export async function readAlive(groups: readonly ChannelGroup[]): Promise<Map<ChannelGroup, boolean[]>> {
  const alive = groups.map(async (group): Promise<[ChannelGroup, boolean[]]> => {
    const words = (await group.norms[0]?.gamma.mask.read()) ?? new Uint32Array();
    return [
      group,
      Array.from({ length: group.channels }, (_, c) => (((words[c >>> 5] as number) >>> (c & 31)) & 1) === 1),
    ];
  });
  return new Map(await Promise.all(alive));
}

export const countAlive = (alive: Alive): number => alive.filter(Boolean).length;

interface Sides {
  rows?: Alive;
  columns?: Alive;
}

/** The layers that groups touch, with the channels alive on their output and input side. */
export function sidesOf(alive: AliveChannels): Map<SparseLayer, Sides> {
  const sides = new Map<SparseLayer, Sides>();
  const of = (layer: SparseLayer): Sides => {
    const found = sides.get(layer) ?? {};
    sides.set(layer, found);
    return found;
  };
  for (const [{ producers, consumers }, channels] of alive) {
    for (const layer of producers) of(layer).rows = channels;
    for (const layer of consumers) of(layer).columns = channels;
  }
  return sides;
}

/** Bits of the weights between living channels: [O, I, ...] with O rows, and I columns of `I / columns` inputs each. */
export function channelBits(shape: readonly number[], { rows, columns }: Sides): Uint32Array {
  const [outputs = 1, inputs = 1] = shape;
  const size = shape.reduce((product, extent) => product * extent, 1);
  const perInput = size / (outputs * inputs);
  const perColumn = columns === undefined ? inputs : inputs / columns.length;
  const words = new Uint32Array(Math.ceil(size / 32));
  for (let o = 0; o < outputs; o++) {
    if (rows?.[o] === false) continue;
    for (let i = 0; i < inputs; i++) {
      if (columns?.[Math.floor(i / perColumn)] === false) continue;
      const begin = (o * inputs + i) * perInput;
      for (let at = begin; at < begin + perInput; at++)
        words[at >>> 5] = (words[at >>> 5] as number) | (1 << (at & 31));
    }
  }
  return words;
}

/** A mask over a layer that keeps all weights between living channels. The caller disposes it. */
export function channelMask(layer: SparseLayer, sides: Sides): Mask {
  const mask = layer.mask.clone();
  mask.write(channelBits(layer.shape, sides));
  return mask;
}

/** Gamma and beta of dead channels leave their masks. */
export function maskNorms(alive: AliveChannels): void {
  for (const [{ norms, channels }, living] of alive) {
    const bits = channelBits([channels], { rows: living });
    for (const { gamma, beta } of norms) for (const { mask } of [gamma, beta] as MaskedParameter[]) mask.write(bits);
  }
}

/** Everything dead channels have leaves the masks: filters, batch norm and the inputs of the layers that read them. */
export async function removeDead(alive: AliveChannels): Promise<void> {
  maskNorms(alive);
  for (const [layer, sides] of sidesOf(alive)) {
    using living = channelMask(layer, sides);
    await layer.mask.intersect(living);
  }
}
