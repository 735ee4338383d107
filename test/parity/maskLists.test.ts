import { expect, it } from 'vitest';
import { keyOf, words } from '../support/counter.js';
import { eachDevice } from '../support/devices.js';
import { Handles } from '../support/handles.js';

/** As many layers as the deepest networks have. */
const sizes = Array.from({ length: 230 }, (_, m) => 1 + ((m * 37) % 90));
const total = sizes.reduce((sum, size) => sum + size, 0);

eachDevice('hundreds of masks ranked together', (device) => {
  const { native } = device;

  it.each([0, 1, 1000, total])('keeps the %i largest scores', async (keep) => {
    using handles = new Handles(device);
    const scores = sizes.map((size, m) => Float32Array.from(words(keyOf(m, 'scores'), size), (word) => word >>> 8));
    const masks = sizes.map((size) => handles.mask(new Float32Array(size), [size]));
    native.maskTopK(
      masks,
      scores.map((values) => handles.f32(values)),
      keep,
    );
    const found = await Promise.all(masks.map((mask) => handles.read(native.maskExpand(mask))));
    const ranked = scores
      .flatMap((values, m) => Array.from(values, (value, i) => ({ value, m, i })))
      .sort((a, b) => b.value - a.value); // stable: the earlier mask and the lower index come first among equals
    const expected = sizes.map((size) => new Float32Array(size));
    for (const { m, i } of ranked.slice(0, keep)) (expected[m] as Float32Array)[i] = 1;
    expect(found).toEqual(expected);
  });

  it('says how many they have, and leaves them alone, when too many are to be dropped', async () => {
    using handles = new Handles(device);
    const masks = sizes.map((size) => handles.mask(new Float32Array(size).fill(1, 0, 1), [size]));
    const scores = sizes.map((size) => handles.filled([size], 1));
    native.maskDrop(masks, scores, sizes.length + 1);
    await expect(native.synchronize(device.handle)).rejects.toThrow(
      'maskDrop: 231 weights were asked for, but the 230 masks together have 230 that are kept; ask for 0 to 230',
    );
    const left = await Promise.all(masks.map((mask) => handles.read(native.maskExpand(mask))));
    expect(left.map((bits) => Array.from(bits).reduce((sum, bit) => sum + bit, 0))).toEqual(sizes.map(() => 1));
  });
});
