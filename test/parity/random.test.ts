import { philox, streamKey } from '@s2sam/core';
import { describe, expect, it } from 'vitest';
import * as counter from '../support/counter.js';
import { eachDevice } from '../support/devices.js';
import { golden } from '../support/golden.js';
import { Handles } from '../support/handles.js';
import '../support/matchers.js';

/** Known answers of philox4x32-10 from the authors' library Random123 (Salmon et al., SC 2011): counter, key, result. */
const knownAnswers = [
  [
    [0, 0, 0, 0],
    [0, 0],
    [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  ],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
] as [[number, number, number, number], counter.Key, number[]][];

const drawn = golden('random').filter(({ has }) => has('uniform'));

describe('random numbers on the host', () => {
  it.each(knownAnswers)('philox %j', (at, key, answer) => {
    expect(philox(key, ...at)).toEqual(answer);
    expect(counter.philox(key, ...at), 'the copy of the tests').toEqual(answer);
  });

  it.each(golden('random').filter(({ has }) => has('keys')))('stream keys', ({ params, output }) => {
    const { seeds, names, steps } = params as { seeds: number[]; names: string[]; steps: number[] };
    const keysBy = (make: typeof streamKey) =>
      seeds.flatMap((seed) => names.flatMap((name) => steps.flatMap((step) => make(seed, name, step))));
    expect(keysBy(streamKey)).toEqual(Array.from(output('keys').values));
    expect(keysBy(counter.keyOf), 'the copy of the tests').toEqual(Array.from(output('keys').values));
  });

  it.each(drawn)("the tests' own generator draws what numpy draws $name", ({ name, params, output }) => {
    const { seed, lo, hi, mean, std } = params;
    const key = counter.keyOf(seed, 'golden/random', 11);
    expect(counter.uniform(key, Number(name), lo, hi)).toBeCloseToTensor(output('uniform'), 1e-7);
    expect(counter.normal(key, Number(name), mean, std)).toBeCloseToTensor(output('normal'), 1e-7);
  });
});

eachDevice('random numbers', (device) => {
  const { native } = device;

  it.each(knownAnswers.slice(0, 1))('philox %j', async (_at, key, answer) => {
    using handles = new Handles(device);
    const y = handles.filled([4], 0);
    native.randomUniform(y, ...key, 0, 1);
    expect(Array.from(await native.read(y), (value) => value * 2 ** 24)).toEqual(answer.map((word) => word >>> 8));
  });

  it.each(drawn)('uniform and normal $name', async ({ name, params, output }) => {
    using handles = new Handles(device);
    const { seed, lo, hi, mean, std } = params;
    const key = counter.keyOf(seed, 'golden/random', 11);
    const y = handles.filled([Number(name)], 0);
    native.randomUniform(y, ...key, lo, hi);
    expect(await native.read(y)).toBeCloseToTensor(output('uniform'));
    native.randomNormal(y, ...key, mean, std);
    expect(await native.read(y)).toBeCloseToTensor(output('normal'));
  });
});
