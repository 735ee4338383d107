import { expect, it } from 'vitest';
import { keyOf } from '../support/counter.js';
import { eachDevice } from '../support/devices.js';
import { golden } from '../support/golden.js';
import { Handles } from '../support/handles.js';
import '../support/matchers.js';

eachDevice('augment', (device) => {
  const { native } = device;

  it.each(golden('augment'))('$name', async (example) => {
    using handles = new Handles(device);
    const { pad, flip, epoch, mean, std, seed, mix } = example.params;
    const mixed = mix === undefined ? 0 : handles.f32(mix);
    const images = handles.tensor(example.input('images'));
    const indices = handles.tensor(example.input('indices'));
    const clock = handles.tensor({ shape: [1], data: Int32Array.of(epoch) });
    const key = keyOf(seed, 'golden/augment/choices');
    const y = native.augment(
      images,
      indices,
      clock,
      handles.f32(mean),
      handles.f32(std),
      pad,
      flip,
      ...key,
      'f32',
      mixed,
    );
    expect(native.shape(y)).toEqual(example.output('y').shape);
    expect(await handles.read(y)).toBeCloseToTensor(example.output('y'));
  });
});
