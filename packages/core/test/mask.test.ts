import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ArgumentError, type Device, Mask, openDevice, type Tensor, together } from '../src/index.js';

let device: Device;
beforeAll(async () => {
  device = await openDevice('cpu', { threads: 2 });
});
afterAll(() => device[Symbol.dispose]());

function maskOf(bits: string): Mask {
  const words = device.zeros([Math.ceil(bits.length / 32)], { dtype: 'u32' });
  const mask = new Mask(device, words, [bits.length], 0, { ownsBits: true });
  mask.write(Uint32Array.of(Number.parseInt([...bits].reverse().join(''), 2)));
  return mask;
}

async function bitsOf(mask: Mask): Promise<string> {
  const [word = 0] = await mask.read();
  return Array.from({ length: mask.size }, (_, i) => (word >>> i) & 1).join('');
}

const scores = (...values: number[]): Tensor => device.tensor(values, [values.length]);

describe('edits whose outcome depends on the data', () => {
  it('count what is kept before they resolve; until then kept throws', async () => {
    using mask = maskOf('11110');
    using values = scores(1, 2, 3, 4, 5);
    const edit = mask.dropBelow(values, 3);
    expect(() => mask.kept).toThrow(ArgumentError);
    expect(() => mask.kept).toThrow('the last edit of the mask [5] has not been counted yet; await its promise');
    expect(() => mask.full).toThrow(ArgumentError);
    await edit;
    expect([mask.kept, await bitsOf(mask)]).toEqual([2, '00110']);
  });

  it('a later edit is not overwritten by the count of an earlier one', async () => {
    using mask = maskOf('11111');
    using values = scores(1, 2, 3, 4, 5);
    const first = mask.dropBelow(values, 3);
    mask.fill(true);
    await first;
    expect(mask.kept).toBe(5);
    const second = mask.dropBelow(values, 2);
    const third = mask.dropBelow(values, 5);
    await second;
    await third;
    expect(mask.kept).toBe(1);
  });

  it('combine masks', async () => {
    using other = maskOf('1010');
    for (const [op, expected] of [
      ['intersect', '1000'],
      ['unite', '1110'],
      ['subtract', '0100'],
    ] as const) {
      using mask = maskOf('1100');
      await mask[op](other);
      expect([await bitsOf(mask), mask.kept]).toEqual([expected, [...expected].filter((bit) => bit === '1').length]);
    }
  });

  it('copies know their count at once and are free of the original', async () => {
    using mask = maskOf('1101');
    using copy = mask.clone();
    expect(copy.kept).toBe(3);
    mask.fill(false);
    expect(await bitsOf(copy)).toBe('1101');
    mask.copyFrom(copy);
    expect([mask.kept, await bitsOf(mask)]).toEqual([3, '1101']);
  });
});

describe('several masks ranked together', () => {
  it('keep, drop and grow over all of them', async () => {
    using a = maskOf('0000');
    using b = maskOf('000');
    using ofA = scores(5, 1, 7, 3);
    using ofB = scores(6, 3, 0);
    const scored = [
      { mask: a, scores: ofA },
      { mask: b, scores: ofB },
    ];
    await together.topK(scored, 4);
    // 7, 6, 5 and the first of the two threes.
    expect([await bitsOf(a), await bitsOf(b), a.kept, b.kept]).toEqual(['1011', '100', 3, 1]);
    await together.grow(scored, 1);
    expect([await bitsOf(a), await bitsOf(b), b.kept]).toEqual(['1011', '110', 2]);
    await together.drop(scored, 3);
    expect([await bitsOf(a), await bitsOf(b), a.kept, b.kept]).toEqual(['0010', '100', 1, 1]);
    await together.drop([], 0);
  });

  it('refuse more than there are, and change nothing', async () => {
    using a = maskOf('1100');
    using b = maskOf('100');
    using ofA = scores(1, 2, 3, 4);
    using ofB = scores(1, 2, 3);
    const scored = [
      { mask: a, scores: ofA },
      { mask: b, scores: ofB },
    ];
    expect(() => together.drop(scored, 4)).toThrow(
      'mask.together.drop: count 4 for 2 masks with 3 of 7 kept; it must be a whole number from 0 to 3',
    );
    expect(() => together.grow(scored, 5)).toThrow('whole number from 0 to 4');
    expect(() => together.topK(scored, 8)).toThrow('whole number from 0 to 7');
    expect(() => a.grow(ofA, 3)).toThrow('mask.grow: count 3 for a mask [4] with 2 of 4 kept');
    expect([await bitsOf(a), await bitsOf(b)]).toEqual(['1100', '100']);
  });
});
