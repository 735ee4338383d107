import type { Layout, MaskStrategy } from '@s2sam/core';
import {
  type Anneal,
  anneal,
  type ChaseOptions,
  type ChexOptions,
  chase,
  chex,
  type DsrOptions,
  dsr,
  type GradualMagnitudeOptions,
  type GraspOptions,
  global,
  gradualMagnitude,
  grasp,
  type LotteryTicketOptions,
  lotteryTicket,
  type MestOptions,
  mest,
  type Ranking,
  type RiglOptions,
  rigl,
  type SetOptions,
  type SnfsOptions,
  type SnipOptions,
  set,
  snfs,
  snip,
  staticRandom,
} from '@s2sam/masks';
import type { OptionName, StrategyOptions } from './fields.js';
import { layoutNames, makeLayout, makeRule } from './layout.js';

/** How sparse, and whatever options were given. Density is there where the method has one. */
export interface Given extends StrategyOptions {
  readonly density: number;
}

type LayoutChoice = NonNullable<StrategyOptions['layout']>;

/** A mask strategy as configurations know it. */
export interface Method {
  /** One line for `s2sam train --help`. */
  readonly about: string;
  /** Key that says how sparse: kept share of the weights, or removed share of the channels. */
  readonly amount: 'density' | 'channelSparsity';
  /** Layouts it takes, the default first; none where it has a fixed one. */
  readonly layouts: readonly LayoutChoice[];
  /** Options it takes, beside `layout` and `powerScale`, which go with the layouts. */
  readonly options: readonly OptionName[];
  /** Throws ConfigError for options out of range. */
  make(given: Given): MaskStrategy;
}

/** Options that a strategy takes as they are. */
type Plain<T> = Exclude<OptionName & keyof T, 'layout' | 'dense' | 'dropFraction'>;

/** The given ones of some options of a strategy. */
function pick<T>(given: Given, ...names: readonly Plain<T>[]): Pick<StrategyOptions, Plain<T>> {
  const entries = names.filter((name) => given[name] !== undefined).map((name) => [name, given[name]]);
  return Object.fromEntries(entries) as Pick<StrategyOptions, Plain<T>>;
}

const pickRule = ({ dense }: Given) => (dense === undefined ? {} : { dense: makeRule(dense) });

const layoutOf = ({ layout, dense, powerScale }: Given): { layout: Layout } => ({
  layout: makeLayout({
    layout: layout === undefined || layout === 'global' ? 'erk' : layout,
    ...(dense === undefined ? {} : { dense }),
    ...(powerScale === undefined ? {} : { powerScale }),
  }),
});

const rankingOf = (given: Given): { layout: Ranking } =>
  given.layout === 'global' ? { layout: global(pickRule(given)) } : layoutOf(given);

const times = ['updateEvery', 'startAt', 'stopAt'] as const;
const fraction = ['dropFraction', 'dropFractionEnd', 'anneal'] as const;

/** A course of the drop fraction where any of its three options is given. */
function dropFractionOf(given: Given, begin: number, end: number): { dropFraction?: Anneal } {
  const { dropFraction = begin, dropFractionEnd, anneal: course = 'cosine' } = given;
  if (fraction.every((name) => given[name] === undefined)) return {};
  return {
    dropFraction:
      course === 'constant' ? anneal.constant(dropFraction) : anneal[course](dropFraction, dropFractionEnd ?? end),
  };
}

const sparse = [...layoutNames].reverse(); // erk first

/** Every method of `--sparsity.method`, dense training aside. */
export const methods = {
  static: {
    about: 'random masks that stay',
    amount: 'density',
    layouts: sparse,
    options: ['dense'],
    make: (given) => staticRandom({ density: given.density, ...layoutOf(given) }),
  },
  snip: {
    about: 'SNIP: the largest |weight x gradient|, chosen once before training',
    amount: 'density',
    layouts: ['global', ...sparse],
    options: ['dense', 'batches', 'scoredWeights', 'statistics', 'augment'],
    make: (given) =>
      snip({
        density: given.density,
        ...rankingOf(given),
        ...pick<SnipOptions>(given, 'batches', 'scoredWeights', 'statistics', 'augment'),
      }),
  },
  grasp: {
    about: 'GraSP: what gradient flow needs most, chosen once before training',
    amount: 'density',
    layouts: ['global', ...sparse],
    options: ['dense', 'perClass', 'rounds', 'parts', 'temperature', 'redrawClassifier'],
    make: (given) =>
      grasp({
        density: given.density,
        ...rankingOf(given),
        ...pick<GraspOptions>(given, 'perClass', 'rounds', 'parts', 'temperature', 'redrawClassifier'),
      }),
  },
  lt: {
    about:
      'lottery ticket: trains, prunes and rewinds until the density is reached; each round is as long as the training asked for',
    amount: 'density',
    layouts: [],
    options: ['dense', 'pruneFraction', 'rewindStep', 'perturb'],
    make: (given) =>
      lotteryTicket({
        density: given.density,
        ...pickRule(given),
        ...pick<LotteryTicketOptions>(given, 'pruneFraction', 'rewindStep', 'perturb'),
      }),
  },
  set: {
    about: 'SET: drops small weights, grows random ones',
    amount: 'density',
    layouts: sparse,
    options: ['dense', ...times, ...fraction, 'dropBy'],
    make: (given) =>
      set({
        density: given.density,
        ...layoutOf(given),
        ...pick<SetOptions>(given, ...times, 'dropBy'),
        ...dropFractionOf(given, 0.3, 0),
      }),
  },
  dsr: {
    about: 'DSR: drops below one threshold, grows where weights survive',
    amount: 'density',
    layouts: [],
    options: ['dense', 'threshold', 'replaceShare', 'periods', 'stopAt'],
    make: (given) =>
      dsr({
        density: given.density,
        ...pickRule(given),
        ...pick<DsrOptions>(given, 'threshold', 'replaceShare', 'periods', 'stopAt'),
      }),
  },
  rigl: {
    about: 'RigL: drops small weights, grows where the gradient is large',
    amount: 'density',
    layouts: sparse,
    options: ['dense', ...times, ...fraction],
    make: (given) =>
      rigl({
        density: given.density,
        ...layoutOf(given),
        ...pick<RiglOptions>(given, ...times),
        ...dropFractionOf(given, 0.3, 0),
      }),
  },
  mest: {
    about: 'MEST: drops small weights, grows random ones, by stages (EM, EM&S)',
    amount: 'density',
    layouts: [],
    options: ['dense', 'stages', 'network', 'updateEveryEpochs', 'gradientWeight'],
    make: (given) =>
      mest({
        density: given.density,
        ...pickRule(given),
        ...pick<MestOptions>(given, 'stages', 'network', 'updateEveryEpochs', 'gradientWeight'),
      }),
  },
  snfs: {
    about: 'sparse networks from scratch: grows and redistributes by the smoothed gradient',
    amount: 'density',
    layouts: sparse,
    options: ['dense', ...times, ...fraction, 'smoothing'],
    make: (given) =>
      snfs({
        density: given.density,
        ...layoutOf(given),
        ...pick<SnfsOptions>(given, ...times, 'smoothing'),
        ...dropFractionOf(given, 0.5, 0),
      }),
  },
  gradual: {
    about: 'gradual magnitude pruning: dense at first',
    amount: 'density',
    layouts: ['uniform', 'er', 'erk', 'global'],
    options: ['dense', ...times],
    make: (given) =>
      gradualMagnitude({
        density: given.density,
        ...rankingOf(given),
        ...pick<GradualMagnitudeOptions>(given, ...times),
      }),
  },
  chase: {
    about: 'Chase: dynamic sparsity that removes channels on the way',
    amount: 'density',
    layouts: sparse,
    options: [
      'dense',
      'channelSparsity',
      'updateEvery',
      ...fraction,
      'groups',
      'channelOffset',
      'channelsUntil',
      'channelFloor',
      'softUntil',
      'softExtra',
    ],
    make: (given) =>
      chase({
        density: given.density,
        channelSparsity: given.channelSparsity ?? 0,
        ...layoutOf(given),
        ...pick<ChaseOptions>(
          given,
          'updateEvery',
          'groups',
          'channelOffset',
          'channelsUntil',
          'channelFloor',
          'softUntil',
          'softExtra',
        ),
        ...dropFractionOf(given, 0.5, 0.005),
      }),
  },
  chex: {
    about: 'CHEX: removes and regrows channels',
    amount: 'channelSparsity',
    layouts: [],
    options: ['channelSparsity', 'regrowRatio', 'updateEveryEpochs', 'stopAt', 'groups'],
    make: (given) =>
      chex({
        channelSparsity: given.channelSparsity ?? 0,
        ...pick<ChexOptions>(given, 'regrowRatio', 'updateEveryEpochs', 'stopAt', 'groups'),
      }),
  },
} as const satisfies Record<string, Method>;

export type MethodName = keyof typeof methods;

export const methodNames = Object.keys(methods) as readonly MethodName[];

export const methodOf = (name: MethodName): Method => methods[name];

/** Every option a method takes. */
export function optionsOf(name: MethodName): OptionName[] {
  const { layouts, options } = methodOf(name);
  return [...(layouts.length === 0 ? [] : (['layout', 'powerScale'] as const)), ...options];
}
