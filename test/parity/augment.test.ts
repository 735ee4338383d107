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

  // CUDA keeps the scales of 64 channels, and gives the rows of an image of more than some thousand elements to several blocks.
  it.each([
    [5, 70, 6, 5],
    [3, 4, 150, 140],
  ])('treats each channel of [%i, %i, %i, %i] as an image of that channel alone', async (n, c, h, w) => {
    using handles = new Handles(device);
    const pixels = Uint8Array.from({ length: n * c * h * w }, (_, i) => (i * 2654435761) >>> 24);
    const plane = (data: ArrayLike<number>, image: number, channel: number) =>
      Array.from({ length: h * w }, (_, i) => data[(image * c + channel) * h * w + i] as number);
    const run = async (channels: number[]) => {
      const data = Uint8Array.from(
        Array.from({ length: n }, (_, image) => channels.map((channel) => plane(pixels, image, channel))).flat(2),
      );
      const y = native.augment(
        handles.tensor({ shape: [n, channels.length, h, w], data }),
        handles.tensor({ shape: [n], data: Int32Array.from({ length: n }, (_, i) => n - 1 - i) }),
        handles.tensor({ shape: [1], data: Int32Array.of(3) }),
        handles.f32(channels.map((channel) => channel / 100)),
        handles.f32(channels.map((channel) => 0.5 + channel / 80)),
        2,
        true,
        ...keyOf(5, 'augment/channels'),
        'f32',
        handles.f32([0.4, 1, 2, w - 2, h - 1]),
      );
      return await handles.read(y);
    };
    const all = await run(Array.from({ length: c }, (_, channel) => channel));
    for (const channel of [0, 3, 63, 64, 69].filter((number) => number < c)) {
      const alone = Array.from(await run([channel]));
      expect(alone).toEqual(Array.from({ length: n }, (_, image) => plane(all, image, channel)).flat());
    }
  });
});
