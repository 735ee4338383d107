import {
  abs,
  type ChannelGroup,
  ConfigError,
  gram,
  type MaskedParameter,
  type MaskStrategy,
  mul,
  philox,
  type SparseLayer,
  type StrategyContext,
  scope,
  streamKey,
  sub,
  sumRows,
  type Tensor,
} from '@s2sam/core';
import { anneal } from './anneal.js';
import {
  type Alive,
  type AliveChannels,
  channelBits,
  chooseGroups,
  type GroupChoice,
  maskNorms,
  readAlive,
  sidesOf,
} from './channels.js';
import { checkShare, checkWhole } from './checks.js';
import { shareOf, sum } from './counts.js';
import { leverageScores, residuals } from './leverage.js';

export interface ChexOptions {
  /** Share of the channels of the chosen groups that are removed in the end, from 0 to below 1. */
  readonly channelSparsity: number;
  /** Share of the channels that live beyond the target at first. Default 0.3. */
  readonly regrowRatio?: number;
  /** Epochs between updates. Default 2. */
  readonly updateEveryEpochs?: number;
  /** Share of the training after which channels stay. Default 180 / 250. */
  readonly stopAt?: number;
  /** Default `inner`: the channels inside residual blocks, or all of a network without sums. */
  readonly groups?: GroupChoice;
}

/**
 * CHEX (Hou et al. 2022), channel exploration: filters of largest L1 norm at first; an update at the start of every second epoch
 * shares the target out over the groups by a ranking of all |gamma|, keeps in each the filters of largest leverage score, and brings
 * removed ones back, drawn by how far they lie from the span of the kept, with the weights, batch norm and running statistics they
 * had last. Removed channels leave batch norm and the inputs of the next layer too.
 *
 * Reads one matrix of channels x channels per convolution at an update: the leverage scores are an eigenvalue problem. Throws
 * ConfigError for options out of range; `init` throws it where the model declares no channels.
 */
export function chex(options: ChexOptions): MaskStrategy {
  const {
    channelSparsity,
    regrowRatio = 0.3,
    updateEveryEpochs = 2,
    stopAt = 180 / 250,
    groups: choice = 'inner',
  } = options;
  const name = 'chex';
  if (!(channelSparsity >= 0 && channelSparsity < 1)) {
    throw new ConfigError(`${name}: channelSparsity is ${channelSparsity}; it must be from 0 to below 1`, { op: name });
  }
  checkShare(name, 'regrowRatio', regrowRatio);
  checkShare(name, 'stopAt', stopAt);
  checkWhole(name, 'updateEveryEpochs', updateEveryEpochs);
  const regrow = anneal.cosine(regrowRatio);
  return {
    name,
    structured: true,
    init: (context) =>
      scope(async () => {
        const groups = chooseGroups(name, context.groups, choice);
        for (const { mask } of context.layers) mask.fill(true);
        const living = Math.min(1, 1 - channelSparsity + regrowRatio);
        const alive = await Promise.all(
          groups.map(async (group): Promise<[ChannelGroup, Alive]> => {
            return [group, topOf(await l1Norms(group), Math.max(1, shareOf(group.channels, living)))];
          }),
        );
        remember(context, groups);
        applyChannels(new Map(alive));
      }),
    needs: (step, { stepsPerEpoch, totalSteps }) => {
      const done = step + 1;
      return { update: done % (updateEveryEpochs * stepsPerEpoch) === 0 && done <= stopAt * totalSteps };
    },
    update: (context) =>
      scope(async () => {
        const groups = chooseGroups(name, context.groups, choice);
        const regrown = regrow.at(context.step / (stopAt * context.totalSteps));
        const alive = new Map<ChannelGroup, Alive>(await readAlive(groups));
        remember(context, groups);
        const counts = await countsByGamma(groups, channelSparsity, regrown);
        for (const [i, group] of groups.entries()) {
          alive.set(group, await explore(context, group, alive.get(group) as Alive, counts[i] as Counts));
        }
        applyChannels(alive);
        recall(context, groups);
      }),
  };
}

/** How many channels of a group stay, and how many come back. */
interface Counts {
  readonly keep: number;
  readonly back: number;
}

/** The share each group keeps, from where |gamma| of all groups lies at two quantiles. */
async function countsByGamma(groups: readonly ChannelGroup[], sparsity: number, regrown: number): Promise<Counts[]> {
  const gammas = await Promise.all(groups.map(gammaOf));
  const sorted = gammas.flat().sort((a, b) => a - b);
  const above = (quantile: number): ((gamma: number) => boolean) => {
    const cut = shareOf(sorted.length, Math.max(0, quantile));
    const threshold = cut === 0 ? -1 : (sorted[cut - 1] as number);
    return (gamma) => gamma > threshold;
  };
  const [down, up] = [above(sparsity), above(sparsity - regrown)];
  return gammas.map((gamma) => {
    const keep = Math.max(1, gamma.filter(down).length);
    return { keep, back: Math.max(0, gamma.filter(up).length - keep) };
  });
}

/** |gamma| of each channel, the mean over the batch norms of a group. */
async function gammaOf({ norms, channels }: ChannelGroup): Promise<number[]> {
  const all = await Promise.all(norms.map(({ gamma }) => gamma.weight.toArray()));
  return Array.from({ length: channels }, (_, c) => sum(all.map((gamma) => Math.abs(gamma[c] as number))) / all.length);
}

/** The channels of a group that live after an update. */
async function explore(context: StrategyContext, group: ChannelGroup, alive: Alive, counts: Counts): Promise<Alive> {
  const products = await gramOf(context, group);
  const living = products.map((row, i) => row.map((value, j) => (alive[i] && alive[j] ? value : 0)));
  const fanIn = sum(group.producers.map(({ size }) => size / group.channels));
  const scores = fanIn < group.channels ? await l1Norms(group) : leverageScores(living, counts.keep);
  // A dead channel is kept only where too few live.
  const kept = topOf(
    scores.map((score, c) => (alive[c] ? score : -1)),
    counts.keep,
  );
  const distances = residuals(products, kept);
  const key = streamKey(context.seed, `regrow/${group.name}`, context.step);
  const lots = distances.map((distance, c) =>
    kept[c] ? Number.NEGATIVE_INFINITY : distance + gumbel(philox(key, c)[0]),
  );
  const back = topOf(lots, Math.min(counts.back, group.channels - counts.keep));
  return kept.map((keeps, c) => keeps || (back[c] as boolean));
}

/** The largest of distance + gumbel noise are draws without replacement with probabilities softmax(distance). */
const gumbel = (word: number): number => -Math.log(-Math.log((word + 0.5) / 2 ** 32));

/** True at the `count` largest values; of equal ones the first. */
function topOf(values: readonly number[], count: number): boolean[] {
  const order = values.map((_, i) => i).sort((a, b) => (values[b] as number) - (values[a] as number) || a - b);
  const chosen = new Set(order.slice(0, count));
  return values.map((_, i) => chosen.has(i));
}

/** Inner products of the filters as they were when last alive, summed over producers. */
async function gramOf(context: StrategyContext, group: ChannelGroup): Promise<number[][]> {
  const { channels } = group;
  const grams = await Promise.all(
    group.producers.map(({ name, shape, size }) => {
      const filters = context.memory(name, shape).view(0, [channels, size / channels]);
      return gram(filters).toArray();
    }),
  );
  return Array.from({ length: channels }, (_, i) =>
    Array.from({ length: channels }, (_, j) => sum(grams.map((gram) => gram[i * channels + j] as number))),
  );
}

async function l1Norms({ producers, channels }: ChannelGroup): Promise<number[]> {
  const perLayer = await Promise.all(producers.map(({ weight }) => sumRows(abs(weight)).toArray()));
  return Array.from({ length: channels }, (_, c) => sum(perLayer.map((norms) => norms[c] as number)));
}

/** Masks of all layers and batch norms that groups touch, from the living channels alone. */
function applyChannels(alive: AliveChannels): void {
  maskNorms(alive);
  for (const [layer, sides] of sidesOf(alive)) layer.mask.write(channelBits(layer.shape, sides));
}

/** What comes back with a channel, and where it is remembered. */
function remembered(
  context: StrategyContext,
  groups: readonly ChannelGroup[],
): [now: Tensor, then: Tensor, of: MaskedParameter][] {
  const layers: SparseLayer[] = [...sidesOf(new Map(groups.map((group) => [group, []] as const))).keys()];
  const norms = groups.flatMap(({ norms }) => norms);
  const slot = (name: string, now: Tensor, of: MaskedParameter): [Tensor, Tensor, MaskedParameter] => [
    now,
    context.memory(name, now.shape),
    of,
  ];
  return [
    ...[...layers, ...norms.flatMap(({ gamma, beta }) => [gamma, beta])].map((one) => slot(one.name, one.weight, one)),
    ...norms.map(({ gamma, runningMean }) => slot(`${gamma.name}.running_mean`, runningMean, gamma)),
    ...norms.map(({ gamma, runningVar }) => slot(`${gamma.name}.running_var`, runningVar, gamma)),
  ];
}

/** Notes the values of everything that lives; what is dead keeps its last ones. */
function remember(context: StrategyContext, groups: readonly ChannelGroup[]): void {
  for (const [now, then, { mask }] of remembered(context, groups)) {
    const kept = mask.expand();
    const past = sub(then, mul(then, kept));
    now.device.native.addInto(mul(now, kept).handle, 1, past.handle);
    then.copyFrom(past);
  }
}

/** Gives back the last values; core zeroes those of dead weights again. */
function recall(context: StrategyContext, groups: readonly ChannelGroup[]): void {
  for (const [now, then] of remembered(context, groups)) now.copyFrom(then);
}
