import {
  abs,
  add,
  type ChannelGroup,
  ConfigError,
  type Layout,
  type MaskStrategy,
  meanRows,
  mul,
  type ScoredMask,
  type SparseLayer,
  type StrategyContext,
  scaleShift,
  scope,
  type Tensor,
  together,
} from '@s2sam/core';
import { type Anneal, anneal, toFraction } from './anneal.js';
import {
  type AliveChannels,
  channelMask,
  chooseGroups,
  countAlive,
  type GroupChoice,
  readAlive,
  removeDead,
  sidesOf,
} from './channels.js';
import { checkDensity, checkShare, checkWhole } from './checks.js';
import { countsOf, drawMasks, keptNow, keptOf, shareOf, sum, weightsOf } from './counts.js';
import { erk } from './layouts.js';
import { magnitude } from './scores.js';
import { updatedStep } from './times.js';

export interface ChaseOptions {
  /** Share of the weights kept, in (0, 1]. */
  readonly density: number;
  /** Share of the channels of the chosen groups that are removed in the end, from 0 to below 1. */
  readonly channelSparsity: number;
  /** How the density is spread over layers at first. Default `erk()`. */
  readonly layout?: Layout;
  /** Steps between updates of the weights, and between removals of channels. Default 1000. */
  readonly updateEvery?: number;
  /** Channels are removed so many steps after weights are updated. Default half of `updateEvery`. */
  readonly channelOffset?: number;
  /** Share of the training at which the last channels are removed. Default 130 / 160 (ImageNet 0.8). */
  readonly channelsUntil?: number;
  /** A group keeps at least this share of the channels it would have if all groups lost the same. Default 0.5; also 0.2. */
  readonly channelFloor?: number;
  /** Default `inner`: the channels inside residual blocks, or all of a network without sums. */
  readonly groups?: GroupChoice;
  /** Share of the training in which more weights than the target live between updates. Default 0.5. */
  readonly softUntil?: number;
  /** By how much the density exceeds the target at first in that time; falls to 0 by a cosine. Default 0.05. */
  readonly softExtra?: number;
  /** Share of all kept weights that later updates replace. Default cosine from 0.5 to 0.005. */
  readonly dropFraction?: number | Anneal;
}

/**
 * Chase (Yin et al. 2023): dynamic sparse training that turns into channel sparsity. Updates, after the optimizer's step, rank all
 * weights together: at first the smallest go until the target is left, and more than the target grow where the gradient is largest;
 * later a share is replaced. In between, the channels with the smallest mean |w| over the whole filter go, with batch norm and the
 * inputs of the next layer, until a share that rises as 1 - (1 - p)^3; as many weights grow elsewhere.
 *
 * Throws ConfigError for options out of range; `init` throws it where the layout cannot meet the density or the model declares no
 * channels. Warns where the living channels have no room for the target.
 */
export function chase(options: ChaseOptions): MaskStrategy {
  const settings = settingsOf(options);
  const { name, density, layout, updateEvery, channelOffset, channelsUntil } = settings;
  const isUpdate = (step: number): boolean => step > 0 && step % updateEvery === 0;
  const lastRemoval = (totalSteps: number): number => Math.min(Math.floor(channelsUntil * totalSteps), totalSteps - 1);
  const removesChannels = (step: number, totalSteps: number): boolean => {
    const last = lastRemoval(totalSteps);
    return step === last || (step >= channelOffset && step < last && (step - channelOffset) % updateEvery === 0);
  };
  return {
    name,
    structured: true,
    init: (context) => {
      chooseGroups(name, context.groups, settings.groups);
      gradientsOf(context);
      drawMasks(countsOf(name, layout, context.layers, density), context.seed);
    },
    load: (_state, context) => void gradientsOf(context),
    needs: (step, { totalSteps }) => {
      const due = isUpdate(step) || removesChannels(step, totalSteps);
      return due ? { denseGradient: true, observe: true, update: true } : {};
    },
    observe: (context) => {
      for (const [i, copy] of gradientsOf(context).entries())
        copy.copyFrom((context.layers[i] as SparseLayer).gradient);
    },
    update: (context) =>
      scope(async () => {
        const { groups, layers, totalSteps } = context;
        const step = updatedStep(context);
        const alive = await readAlive(chooseGroups(name, groups, settings.groups));
        let target = keptNow(layers);
        if (isUpdate(step)) target = await dropWeights(layers, step / totalSteps, settings);
        if (removesChannels(step, totalSteps)) {
          await chooseDead(alive, step / Math.max(1, lastRemoval(totalSteps)), settings);
          await removeDead(alive);
        }
        await growInto(context, alive, target - keptNow(layers), name);
      }),
  };
}

/** Drops the smallest weights of all layers; returns how many are to live after growth. */
async function dropWeights(layers: readonly SparseLayer[], progress: number, settings: Settings): Promise<number> {
  const { density, softUntil, fraction, softDensity } = settings;
  const [total, kept] = [weightsOf(layers), keptNow(layers)];
  const base = keptOf(total, density);
  const soft = progress < softUntil;
  const left = soft
    ? base
    : Math.min(base, kept - shareOf(kept, fraction.at((progress - softUntil) / (1 - softUntil))));
  const scored = layers.map((layer) => ({ mask: layer.mask, scores: magnitude(layer) }));
  await together.drop(scored, Math.max(0, kept - left));
  return soft ? Math.max(base, keptOf(total, softDensity.at(progress / softUntil))) : base;
}

interface Settings extends Required<Omit<ChaseOptions, 'dropFraction' | 'softExtra'>> {
  readonly name: string;
  readonly fraction: Anneal;
  readonly softDensity: Anneal;
}

function settingsOf(options: ChaseOptions): Settings {
  const { density, channelSparsity, layout = erk(), updateEvery = 1000 } = options;
  const {
    channelsUntil = 130 / 160,
    channelFloor = 0.5,
    groups = 'inner',
    softUntil = 0.5,
    softExtra = 0.05,
  } = options;
  const channelOffset = options.channelOffset ?? Math.floor(updateEvery / 2);
  const name = `chase(${layout.name})`;
  checkDensity(name, density);
  if (!(channelSparsity >= 0 && channelSparsity < 1)) {
    throw new ConfigError(`${name}: channelSparsity is ${channelSparsity}; it must be from 0 to below 1`, { op: name });
  }
  checkWhole(name, 'updateEvery', updateEvery);
  checkWhole(name, 'channelOffset', channelOffset, 0);
  for (const [key, value] of Object.entries({ channelsUntil, channelFloor, softUntil, softExtra })) {
    checkShare(name, key, value);
  }
  const fraction = toFraction(name, options.dropFraction ?? anneal.cosine(0.5, 0.005));
  const softDensity = anneal.cosine(Math.min(1, density + softExtra), density);
  return {
    name,
    density,
    channelSparsity,
    layout,
    updateEvery,
    channelOffset,
    channelsUntil,
    channelFloor,
    groups,
    softUntil,
    fraction,
    softDensity,
  };
}

const gradientsOf = ({ layers, memory }: Pick<StrategyContext, 'layers' | 'memory'>): Tensor[] =>
  layers.map(({ name, shape }) => memory(`gradient.${name}`, shape, { transient: true }));

/** Marks channels as dead, those of the smallest mean |w| first, until the share that is due is reached. */
async function chooseDead(
  alive: Map<ChannelGroup, boolean[]>,
  progress: number,
  { channelSparsity, channelFloor }: Settings,
): Promise<void> {
  const groups = [...alive.keys()];
  const share = anneal.cubic(0, channelSparsity).at(progress);
  const goal = shareOf(sum(groups.map(({ channels }) => channels)), share);
  const means = await Promise.all(groups.map(meanMagnitudes));
  const ranked = groups
    .flatMap((group, g) => (means[g] as number[]).map((mean, channel) => ({ group, channel, mean })))
    .filter(({ group, channel }) => alive.get(group)?.[channel])
    .sort((a, b) => a.mean - b.mean);
  let dead = sum(groups.map((group) => group.channels - countAlive(alive.get(group) as boolean[])));
  for (const { group, channel } of ranked) {
    if (dead >= goal) return;
    const living = alive.get(group) as boolean[];
    const floor = Math.max(1, shareOf(group.channels * (1 - channelSparsity), channelFloor));
    if (countAlive(living) <= floor) continue;
    living[channel] = false;
    dead += 1;
  }
}

/** Mean |w| of each channel's filters, zeros counted. */
async function meanMagnitudes({ producers, channels }: ChannelGroup): Promise<number[]> {
  const perLayer = await Promise.all(producers.map(({ weight }) => meanRows(abs(weight)).toArray()));
  return Array.from(
    { length: channels },
    (_, c) => sum(perLayer.map((means) => means[c] as number)) / producers.length,
  );
}

/** Grows weights between living channels where the dense gradient of this step is largest. */
async function growInto(context: StrategyContext, alive: AliveChannels, count: number, op: string): Promise<void> {
  if (count <= 0) return;
  const { layers, warn } = context;
  const sides = sidesOf(alive);
  const gradients = gradientsOf(context);
  let room = 0;
  const scores = layers.map((layer, i): ScoredMask => {
    const { mask } = layer;
    const magnitudes = abs(gradients[i] as Tensor);
    using living = channelMask(layer, sides.get(layer) ?? {});
    room += living.kept - mask.kept;
    // Below every score of a weight between living channels, so that none of the others is ever chosen.
    const expanded = living.expand();
    return { mask, scores: add(mul(magnitudes, expanded), scaleShift(expanded, 1, -1)) };
  });
  if (room < count) warn(`${op}: ${count} weights were to grow, but the living channels have room for ${room}`);
  await together.grow(scores, Math.min(count, room));
}
