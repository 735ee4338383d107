import { CombineOp, ReduceOp } from '@s2sam/native';
import { describe, expect, it } from 'vitest';
import { mask as drawMask, order as drawOrder, keyOf, packBits, words } from '../support/counter.js';
import { eachDevice } from '../support/devices.js';
import { golden } from '../support/golden.js';
import { Handles } from '../support/handles.js';
import '../support/matchers.js';

eachDevice('masks', (device) => {
  const { native } = device;

  it.each(golden('masks'))('$name', async (example) => {
    using handles = new Handles(device);
    const { keep, drop, grow, seed } = example.params;
    const scores = handles.tensor(example.f32('scores'));
    const { shape, data } = example.f32('scores');
    const start = drawMask(keyOf(seed, 'golden/mask'), data.length, keep);
    const bits = handles.tensor({
      shape: [Math.ceil(data.length / 32)],
      data: new Uint32Array(Math.ceil(data.length / 32)),
    });
    const mask = native.createMask(bits, shape);
    try {
      const edits = {
        random: () => native.maskRandom(mask, keep, ...keyOf(seed, 'golden/mask')),
        top_k: () => native.maskTopK([mask], [scores], keep),
        drop: () => native.maskDrop([mask], [scores], drop),
        grow: () => native.maskGrow([mask], [scores], grow),
        grow_random: () => native.maskGrowRandom(mask, 0, grow, ...keyOf(seed, 'golden/grow')),
      };
      for (const [name, edit] of Object.entries(edits)) {
        native.maskRandom(mask, keep, ...keyOf(seed, 'golden/mask'));
        edit();
        expect(await native.read(bits)).toBeCloseToTensor(example.output(name));
      }
      native.maskRandom(mask, keep, ...keyOf(seed, 'golden/mask'));
      expect(await handles.read(native.maskSummary(mask))).toBeCloseToTensor(example.output('summary'));
      expect(await handles.read(native.maskExpand(mask))).toEqual(start);
      native.maskApply(mask, scores, scores);
      expect(await native.read(scores)).toEqual(data.map((value, i) => (start[i] === 0 ? 0 : value)));
    } finally {
      native.disposeMask(mask);
    }
  });

  it('NaN is the smallest score and a wish that cannot be met is refused', async () => {
    using handles = new Handles(device);
    const mask = handles.mask([1, 1, 1, 1, 0], [5]);
    const scores = handles.f32([3, Number.NaN, -5, 2, 1]);
    native.maskDrop([mask], [scores], 1);
    expect(await handles.read(native.maskExpand(mask))).toEqual(Float32Array.of(1, 0, 1, 1, 0));
    native.maskDrop([mask], [scores], 4);
    await expect(native.synchronize(device.handle)).rejects.toThrow(/drop/i);
    expect(await handles.read(native.maskExpand(mask))).toEqual(Float32Array.of(1, 0, 1, 1, 0));
  });

  describe('against sorting', () => {
    /** Several runs of the parallel selection, an odd size, and masks of one word. */
    const sizes = [70_001, 5, 131_072, 33, 900];
    type Ranked = readonly [mask: number, index: number];

    const scoresOf: Record<string, (i: number, m: number, word: number) => number> = {
      'distinct scores': (_i, _m, word) => (word / 2 ** 32 - 0.5) * 10,
      'three values': (_i, _m, word) => (word % 3) - 1,
      'mostly zeros, as the weights of a sparse layer': (_i, _m, word) => (word % 10 === 0 ? word / 2 ** 32 : 0),
      'NaN, infinities and both zeros': (_i, _m, word) =>
        [Number.NaN, -Infinity, Infinity, -0, 0, 1e-40, -1e-40, 3][word % 8] as number,
      'all equal': () => 0.5,
    };

    /** Largest first; NaN last; among equals the earlier mask, then the lower index. */
    function ranked(scores: Float32Array[], among: (m: number, i: number) => boolean): Ranked[] {
      const value = ([m, i]: Ranked): number => (scores[m] as Float32Array)[i] as number;
      const all = scores.flatMap((one, m) => Array.from(one, (_, i): Ranked => [m, i]));
      return all
        .filter(([m, i]) => among(m, i))
        .sort((a, b) => {
          const [x, y] = [value(a), value(b)];
          if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(x)) - Number(Number.isNaN(y));
          return x === y ? 0 : y - x;
        });
    }

    it.each(Object.keys(scoresOf))('%s: top k, drop and grow over several masks', async (kind) => {
      using handles = new Handles(device);
      const score = scoresOf[kind] as (i: number, m: number, word: number) => number;
      const scores = sizes.map((size, m) =>
        Float32Array.from(words(keyOf(m, kind), size), (word, i) => score(i, m, word)),
      );
      const start = sizes.map((size, m) => drawMask(keyOf(m, 'start'), size, Math.ceil(size / 3)));
      const masks = sizes.map((size, m) => handles.mask(start[m] as Float32Array, [size]));
      const tensors = scores.map((values) => handles.f32(values));
      const isKept = (m: number, i: number): boolean => start[m]?.[i] === 1;
      const total = sizes.reduce((sum, size) => sum + size, 0);
      const kept = start.reduce((sum, one) => sum + one.reduce((a, b) => a + b, 0), 0);

      async function check(edit: () => void, edited: (masks: Float32Array[]) => void): Promise<void> {
        const expected = start.map((one) => one.slice());
        edited(expected);
        for (const [m, mask] of masks.entries()) native.maskWrite(mask, packBits(start[m] as Float32Array));
        edit();
        for (const [m, mask] of masks.entries()) {
          const found = (await handles.read(native.maskExpand(mask))) as Float32Array;
          const wrong = found.findIndex((bit, i) => bit !== expected[m]?.[i]);
          expect(wrong, `mask ${m} differs first at`).toBe(-1);
        }
      }
      const set = (expected: Float32Array[], chosen: readonly Ranked[], bit: number): void => {
        for (const [m, i] of chosen) (expected[m] as Float32Array)[i] = bit;
      };
      const [everything, living, dead] = [
        ranked(scores, () => true),
        ranked(scores, isKept),
        ranked(scores, (m, i) => !isKept(m, i)),
      ];
      for (const keep of [0, 1, 4711, total - 1, total]) {
        await check(
          () => native.maskTopK(masks, tensors, keep),
          (expected) => {
            for (const one of expected) one.fill(0);
            set(expected, everything.slice(0, keep), 1);
          },
        );
      }
      for (const drop of [0, 1, 30_000, kept]) {
        await check(
          () => native.maskDrop(masks, tensors, drop),
          (expected) => set(expected, living.slice(living.length - drop), 0),
        );
      }
      for (const grow of [0, 1, 30_000, total - kept]) {
        await check(
          () => native.maskGrow(masks, tensors, grow),
          (expected) => set(expected, dead.slice(0, grow), 1),
        );
      }
    });

    it('drops what is below a threshold, but leaves the largest', async () => {
      using handles = new Handles(device);
      const scores = handles.f32([5, 1, 3, Number.NaN, 2, 3, 9, -4]);
      const mask = handles.mask([1, 1, 1, 1, 1, 1, 0, 1], [8]);
      const dropBelow = async (threshold: number, atLeast: number) => {
        native.maskWrite(mask, Uint32Array.of(0b10111111));
        native.maskDropBelow(mask, scores, threshold, atLeast);
        return [...((await handles.read(native.maskExpand(mask))) as Float32Array)].join('');
      };
      expect(await dropBelow(3, 0)).toBe('10100100'); // 3 is not below 3; the dropped 9 stays dropped
      expect(await dropBelow(3, 3)).toBe('10100100');
      expect(await dropBelow(3, 4)).toBe('10101100');
      expect(await dropBelow(4, 2)).toBe('10100000'); // among the threes, the lower index is the larger
      expect(await dropBelow(100, 0)).toBe('00000000');
      expect(await dropBelow(100, 8)).toBe('11111101'); // 7 are kept, so all of them stay
      expect(await dropBelow(-4, 0)).toBe('11101101'); // NaN is below everything
    });

    it('grows at random where neither mask keeps a weight', async () => {
      using handles = new Handles(device);
      const [size, grow, key] = [70_000, 21_000, keyOf(5, 'grow')] as const;
      const own = drawMask(keyOf(1, 'own'), size, 20_000);
      const except = drawMask(keyOf(2, 'except'), size, 30_000);
      const mask = handles.mask(own, [size]);
      native.maskGrowRandom(mask, handles.mask(except, [size]), grow, ...key);
      const order = drawOrder(key, size).filter((i) => own[i] === 0 && except[i] === 0);
      const expected = own.slice();
      for (const i of order.slice(0, grow)) expected[i] = 1;
      expect(await handles.read(native.maskExpand(mask))).toEqual(expected);

      native.maskGrowRandom(mask, handles.mask(except, [size]), order.length - grow + 1, ...key);
      await expect(native.synchronize(device.handle)).rejects.toThrow(
        new RegExp(
          `maskGrowRandom: ${order.length - grow + 1} weights were asked for.*has ${order.length - grow} that`,
        ),
      );
      expect(await handles.read(native.maskExpand(mask))).toEqual(expected);
    });

    it('a wish that several masks cannot meet names their total and changes none', async () => {
      using handles = new Handles(device);
      const masks = [handles.mask([1, 0, 1], [3]), handles.mask([0, 1], [2])];
      const scores = [handles.f32([1, 2, 3]), handles.f32([4, 5])];
      native.maskDrop(masks, scores, 4);
      await expect(native.synchronize(device.handle)).rejects.toThrow(
        'maskDrop: 4 weights were asked for, but the 2 masks together have 3 that are kept; ask for 0 to 3',
      );
      expect(await handles.read(native.maskExpand(masks[0] as number))).toEqual(Float32Array.of(1, 0, 1));
    });
  });

  it.each([
    ['intersect', CombineOp.intersect, '1000'],
    ['unite', CombineOp.unite, '1110'],
    ['subtract', CombineOp.subtract, '0100'],
    ['copy', CombineOp.copy, '1010'],
  ])('combines by %s', async (_, op, expected) => {
    using handles = new Handles(device);
    const repeat = (bits: number[]): number[] => Array.from({ length: 50 }, (_, i) => bits[i % 4] as number);
    const into = handles.mask(repeat([1, 1, 0, 0]), [50]);
    native.maskCombine(op, handles.mask(repeat([1, 0, 1, 0]), [50]), into);
    const found = await handles.read(native.maskExpand(into));
    expect([...found]).toEqual(repeat([...expected].map(Number)));
    // Bits past the end stay 0: the count says so.
    const kept = [...found].reduce((a, b) => a + b, 0);
    expect((await handles.read(native.maskSummary(into)))[0]).toBe(kept);
  });

  it('reduces rows: each filter of a weight', async () => {
    using handles = new Handles(device);
    const x = handles.f32([1, -2, 3, 0, 0, 4, -1, -1], [2, 2, 2, 1]);
    const rows = async (op: number) => [...(await handles.read(native.reduceRows(op, x)))];
    expect(await rows(ReduceOp.sum)).toEqual([2, 2]);
    expect(await rows(ReduceOp.mean)).toEqual([0.5, 0.5]);
    expect(await rows(ReduceOp.max)).toEqual([3, 4]);
    expect(await rows(ReduceOp.min)).toEqual([-2, -1]);
    expect(await rows(ReduceOp.sumSquares)).toEqual([14, 18]);
    expect(await rows(ReduceOp.countNonzero)).toEqual([3, 3]);
  });
});
