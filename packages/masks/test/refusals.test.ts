import { ConfigError, type Layout, type MaskStrategy } from '@s2sam/core';
import { describe, expect, it } from 'vitest';
import {
  anneal,
  chase,
  chex,
  dsr,
  gradualMagnitude,
  grasp,
  lotteryTicket,
  mest,
  rigl,
  rules,
  set,
  snfs,
  snip,
  uniform,
} from '../src/index.js';
import { contextOf, layer } from './networks.js';

const density = 0.1;

describe('options out of range', () => {
  const cases: [string, () => MaskStrategy, string][] = [
    ['rigl: density 0', () => rigl({ density: 0 }), 'rigl(erk): density is 0; it is the share of weights kept'],
    ['rigl: stopAt', () => rigl({ density, stopAt: 1.5 }), 'rigl(erk): stopAt is 1.5; it is a share, from 0 to 1'],
    [
      'rigl: stopAt before startAt',
      () => rigl({ density, startAt: 0.5, stopAt: 0.4 }),
      'rigl(erk): stopAt 0.4 comes before startAt 0.5',
    ],
    [
      'rigl: every 0 steps',
      () => rigl({ density, updateEvery: 0 }),
      'updateEvery is 0; it must be a whole number >= 1',
    ],
    [
      'rigl: a fraction above 1',
      () => rigl({ density, dropFraction: anneal.cosine(1.2) }),
      'dropFraction is 1.2; it is a share, from 0 to 1',
    ],
    ['set: density in percent', () => set({ density: 90 }), 'set(erk): density is 90'],
    ['set: stopAt', () => set({ density, stopAt: Number.NaN }), 'set(erk): stopAt is NaN'],
    ['snfs: smoothing', () => snfs({ density, smoothing: 2 }), 'snfs(erk): smoothing is 2'],
    ['gradual: stopAt', () => gradualMagnitude({ density, stopAt: 1.01 }), 'gradual(uniform): stopAt is 1.01'],
    ['snip: density', () => snip({ density: -1 }), 'snip(global): density is -1'],
    ['grasp: perClass', () => grasp({ density, perClass: 0.5 }), 'grasp(global): perClass is 0.5'],
    ['grasp: temperature', () => grasp({ density, temperature: 0 }), 'grasp(global): temperature is 0'],
    ['lt: pruneFraction', () => lotteryTicket({ density, pruneFraction: 1 }), 'lt: pruneFraction is 1'],
    ['lt: rewindStep', () => lotteryTicket({ density, rewindStep: -1 }), 'lt: rewindStep is -1'],
    ['dsr: threshold', () => dsr({ density, threshold: 0 }), 'dsr: threshold is 0'],
    ['dsr: no periods', () => dsr({ density, periods: [] }), 'dsr: periods is empty'],
    [
      'dsr: periods out of order',
      () =>
        dsr({
          density,
          periods: [
            { from: 0.5, updateEvery: 1 },
            { from: 0.5, updateEvery: 2 },
          ],
        }),
      'dsr: periods[1] begins at 0.5, not after the one before',
    ],
    [
      'mest: stages that grow to less than they drop to',
      () => mest({ density, stages: [{ until: 1, dropTo: 0.2, growTo: 0.1 }] }),
      'mest(stages): stages[0] goes from 0 to 1 and drops to 0.2, grows to 0.1',
    ],
    [
      'mest: stages that end too early',
      () => mest({ density, stages: [{ until: 0.5, dropTo: 0.1, growTo: 0.1 }] }),
      'mest(stages): the last stage ends at 0.5 with density 0.1; it must end at 1 with 0.1',
    ],
    ['mest: no stages', () => mest({ density, stages: [] }), 'the last stage ends at undefined'],
    ['chase: all channels', () => chase({ density, channelSparsity: 1 }), 'chase(erk): channelSparsity is 1'],
    ['chex: stopAt', () => chex({ channelSparsity: 0.5, stopAt: 2 }), 'chex: stopAt is 2'],
  ];

  it.each(cases)('%s', (_, make, message) => {
    expect(make).toThrow(ConfigError);
    expect(make).toThrow(message);
  });
});

describe('wishes a network cannot meet', () => {
  const shapes = [layer('stem', [4, 3, 3, 3], 'stem'), layer('body', [8, 4, 3, 3]), layer('fc', [4, 8], 'classifier')];
  const nothing = shapes.map((shape) => ({ ...shape, mask: undefined })) as never;
  const empties: Layout = { name: 'empty', allocate: () => new Map(shapes.map(({ name }) => [name, 0])) };
  const all = async (strategy: MaskStrategy) => strategy.init(contextOf(nothing));

  it.each([
    ['rigl', rigl({ density, layout: empties })],
    ['set', set({ density, layout: empties })],
    ['gradual', gradualMagnitude({ density, layout: empties })],
    ['mest', mest({ density: 1e-9, dense: rules.named('body.weigth') })],
    ['lt', lotteryTicket({ density, dense: rules.named('body.weigth') })],
    ['rigl with an unknown layer', rigl({ density, layout: uniform({ dense: rules.named('body.weigth') }) })],
  ])('%s: the error names the layer, before a mask is touched', async (_, strategy) => {
    await expect(all(strategy)).rejects.toThrow(ConfigError);
    await expect(all(strategy)).rejects.toThrow(/'stem.weight' would lose all of its 108 weights|'body.weigth'/);
  });

  it.each([
    ['chase', chase({ density, channelSparsity: 0.3 })],
    ['chex', chex({ channelSparsity: 0.3 })],
  ])('%s: a model that declares no channels', async (_, strategy) => {
    await expect(all(strategy)).rejects.toThrow(/the model declares no groups of channels/);
  });
});
