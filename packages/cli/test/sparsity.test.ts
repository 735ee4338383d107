import { ConfigError } from '@s2sam/core';
import { describe, expect, it } from 'vitest';
import { checkConfig } from '../src/config/check.js';
import { loadConfig } from '../src/config/load.js';
import { parseOverrides } from '../src/config/overrides.js';
import { optionHelp, optionNames } from '../src/sparsity/fields.js';
import { methodNames, optionsOf } from '../src/sparsity/methods.js';
import { makeStrategy } from '../src/sparsity/settle.js';

const settled = (...overrides: string[]) => checkConfig(parseOverrides(['--train.steps=1', ...overrides])).sparsity;
const strategy = (...overrides: string[]) => makeStrategy(settled(...overrides));

/** How the sparsity of each method is given. */
const amount = (method: string): string[] =>
  method === 'chex'
    ? ['--sparsity.channelSparsity=0.5']
    : ['--sparsity.density=0.1', ...(method === 'chase' ? ['--sparsity.channelSparsity=0.3'] : [])];

describe('a method and its options', () => {
  it.each(methodNames)('%s needs nothing but how sparse, and says so', (method) => {
    expect(strategy(`--sparsity=${method}`, ...amount(method))?.name).toMatch(/^[a-z]+(\(.*\))?$/);
    expect(() => settled(`--sparsity=${method}`)).toThrow(
      /^sparsity\.(density|channelSparsity) is missing; .* needs one/,
    );
    expect(() => settled(`--sparsity=${method}`)).toThrow(ConfigError);
  });

  it.each(methodNames)('%s refuses an option it does not have, naming those it has', (method) => {
    const foreign = optionNames.find((name) => !optionsOf(method).includes(name)) as string;
    const values: Record<string, string> = { channelSparsity: '0.5', layout: 'erk', dense: 'none', powerScale: '1' };
    expect(() =>
      settled(`--sparsity=${method}`, ...amount(method), `--sparsity.${foreign}=${values[foreign] ?? 1}`),
    ).toThrow(`Options: ${optionsOf(method).join(', ')}`);
  });

  it('every option belongs to a method and is explained', () => {
    const taken = new Set(methodNames.flatMap(optionsOf));
    expect(optionNames.filter((name) => !taken.has(name))).toEqual([]);
    expect(optionNames.every((name) => optionHelp[name].length > 3)).toBe(true);
  });

  it.each([
    [
      ['--sparsity=rigl', '--sparsity.updateEvry=5'],
      'unknown key sparsity.updateEvry; did you mean sparsity.updateEvery?',
    ],
    [['--sparsity=rigl', '--sparsity.stopAt=1.5'], 'sparsity.stopAt is 1.5; allowed: a number from 0 to 1'],
    [['--sparsity=rigl', '--sparsity.updateEvery=0'], 'sparsity.updateEvery is 0; allowed: a whole number >= 1'],
    [['--sparsity=rigl', '--sparsity.startAt=0.9'], 'stopAt 0.75 comes before startAt 0.9'],
    [
      ['--sparsity=rigl', '--sparsity.layout=global'],
      'sparsity.layout is global, but sparsity.method rigl takes erk, er, uniform',
    ],
    [
      ['--sparsity=mest', '--sparsity.stages=em+s'],
      'sparsity.stages is "em+s"; allowed: one of em, em&s, or a list of {until',
    ],
    [['--sparsity=mest', '--sparsity.stages=[{until: 1, dropTo: 0.2, growTo: 0.1}]'], 'drops to 0.2, grows to 0.1'],
    [['--sparsity=dsr', '--sparsity.periods=[{from: 0.5}]'], 'allowed: a list of {from, updateEvery}'],
    [['--sparsity=magnitude'], `allowed: one of dense, ${methodNames.join(', ')}`],
    [['--sparsity=lt', '--sparsity.pruneFraction=1'], 'pruneFraction is 1; it must be above 0 and below 1'],
  ])('%j is wrong', (overrides, message) => {
    expect(() => settled('--sparsity.density=0.1', ...overrides)).toThrow(message);
  });

  it('dense training takes neither a density nor an option', () => {
    expect(() => settled('--sparsity=dense', '--sparsity.density=0.1')).toThrow('choose one of static, snip');
    expect(() => settled('--sparsity=dense', '--sparsity.updateEvery=3')).toThrow('sparsity.updateEvery is given but');
    expect(settled('--sparsity=dense')).toEqual({ method: 'dense', density: 1 });
    expect(() => settled('--sparsity=chex', '--sparsity.density=0.1')).toThrow('counts channels');
  });
});

describe('what becomes of the options', () => {
  const updates = (steps: number, ...overrides: string[]): number[] => {
    const made = strategy('--sparsity.density=0.1', ...overrides);
    const moment = { stepsPerEpoch: 10, totalSteps: steps, round: 0 };
    return Array.from({ length: steps }, (_, step) => step).filter(
      (step) => made?.needs?.(step, moment).update === true,
    );
  };

  it('times of updates', () => {
    expect(updates(40, '--sparsity=rigl', '--sparsity.updateEvery=10')).toEqual([0, 10, 20, 30]);
    const times = ['--sparsity.updateEvery=5', '--sparsity.startAt=0.25', '--sparsity.stopAt=0.5'];
    expect(updates(40, '--sparsity=set', ...times)).toEqual([10, 15, 20]);
    expect(updates(40, '--sparsity=mest', '--sparsity.updateEveryEpochs=2')).toEqual([0, 20]);
    expect(
      updates(40, '--sparsity=dsr', '--sparsity.periods=[{from: 0, updateEvery: 10}, {from: 0.5, updateEvery: 5}]'),
    ).toEqual([10, 20, 25, 30, 35]);
  });

  it('layouts and rules by name', () => {
    expect(strategy('--sparsity.density=0.1', '--sparsity.layout=uniform', '--sparsity.dense=stem')?.name).toBe(
      'static(uniform(stem))',
    );
    expect(strategy('--sparsity=snip', '--sparsity.density=0.1')?.name).toBe('snip(global)');
    expect(strategy('--sparsity=snip', '--sparsity.density=0.1', '--sparsity.layout=erk')?.name).toBe('snip(erk)');
    expect(strategy('--sparsity=grasp', '--sparsity.density=0.1', '--sparsity.dense=mest')?.name).toBe(
      'grasp(global(mest))',
    );
    expect(strategy('--sparsity.density=0.1', '--sparsity.dense=[fc.weight]')?.name).toBe('static(erk(named))');
  });

  it('rounds of lottery tickets', () => {
    expect(strategy('--sparsity=lt', '--sparsity.density=0.1')?.rounds).toEqual({ count: 12, rewindStep: 0 });
    const options = ['--sparsity.pruneFraction=0.5', '--sparsity.rewindStep=3'];
    expect(strategy('--sparsity=lt', '--sparsity.density=0.1', ...options)?.rounds).toEqual({
      count: 5,
      rewindStep: 3,
    });
  });
});

describe('another method over a preset', () => {
  const over = (...overrides: string[]) => loadConfig({ preset: 'vgg19-cifar10-mests98', overrides }).sparsity;

  it('keeps the density and leaves the options of the former behind', () => {
    expect(over('--sparsity.method=rigl')).toEqual({ method: 'rigl', layout: 'erk', density: 0.02 });
    expect(over('--sparsity.density=0.3', '--sparsity.method=lt')).toEqual({ method: 'lt', density: 0.3 });
    expect(over('--sparsity.updateEveryEpochs=2')).toMatchObject({
      method: 'mest',
      density: 0.02,
      updateEveryEpochs: 2,
    });
    expect(over('--sparsity.updateEveryEpochs=2')).toMatchObject({ stages: 'em&s', network: 'vgg' });
    expect(over('--sparsity=chex', '--sparsity.channelSparsity=0.5')).toEqual({ method: 'chex', channelSparsity: 0.5 });
    expect(over('--sparsity=dense')).toEqual({ method: 'dense', density: 1 });
  });
});
