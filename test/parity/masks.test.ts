import { expect, it } from 'vitest';
import { mask as drawMask, keyOf } from '../support/counter.js';
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
        top_k: () => native.maskTopK(mask, scores, keep),
        drop: () => native.maskDrop(mask, scores, drop),
        grow: () => native.maskGrow(mask, scores, grow),
        grow_random: () => native.maskGrowRandom(mask, grow, ...keyOf(seed, 'golden/grow')),
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
    native.maskDrop(mask, scores, 1);
    expect(await handles.read(native.maskExpand(mask))).toEqual(Float32Array.of(1, 0, 1, 1, 0));
    native.maskDrop(mask, scores, 4);
    await expect(native.synchronize(device.handle)).rejects.toThrow(/drop/i);
    expect(await handles.read(native.maskExpand(mask))).toEqual(Float32Array.of(1, 0, 1, 1, 0));
  });
});
