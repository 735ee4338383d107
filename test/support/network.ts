import { type Classifier, type Device, scope, streamKey } from '@s2sam/core';
import { keyOf, normal, uniform } from './counter.js';

/** Numbers as after training: running statistics and affine parameters of batch norm (some gammas negative), biases. */
export function settle(model: Classifier, seed = 3): void {
  const draw = (name: string, size: number, low: number, high: number) => uniform(keyOf(seed, name), size, low, high);
  for (const [name, { kind, value, size }] of model.namedParameters()) {
    if (kind === 'weight') continue;
    const gamma = kind === 'norm' && name.endsWith('.weight');
    const values = draw(name, size, gamma ? 0.8 : -0.2, gamma ? 1.4 : 0.2);
    value.write(values.map((x, i) => (gamma && i % 5 === 0 ? -x : x)));
  }
  for (const [name, { tensor }] of model.namedBuffers()) {
    const variance = name.endsWith('running_var');
    tensor.write(draw(name, tensor.size, variance ? 0.5 : -0.3, variance ? 1.5 : 0.3));
  }
  model.arena.resetWorking();
}

/** Gives every weight a mask of `density`, and scales what is left so that activations stay of one size. */
export async function thinOut(model: Classifier, density: number, seed = 5): Promise<void> {
  for (const parameter of model.arena.parameters) {
    if (parameter.kind !== 'weight') continue;
    const values = (await parameter.value.toArray()) as Float32Array;
    parameter.value.write(values.map((x) => x / Math.sqrt(density)));
    const kept = Math.max(1, Math.round(density * parameter.size));
    const mask = model.arena.addMask(parameter);
    mask.random(kept, streamKey(seed, parameter.name));
    mask.apply(parameter.value);
  }
  model.arena.resetWorking();
}

/** Images [count, channels, side, side] that differ in contrast and in the waves under their noise. */
export function scenes(count: number, channels: number, side: number): Float32Array {
  const [plane, size] = [side * side, channels * side * side];
  return normal(keyOf(8, 'scenes'), count * size, 0, 1).map((noise, at) => {
    const [image, channel] = [Math.floor(at / size), Math.floor(at / plane) % channels];
    const [row, column] = [Math.floor(at / side) % side, at % side];
    const wave = Math.sin((2 * Math.PI * ((image + 1) * row + (channel + 1) * column)) / side);
    return (noise + 2 * wave) * (1 + image) + (channel - 1) * image;
  });
}

/** Logits in evaluation, row-major. */
export async function logitsOf(model: Classifier, images: Float32Array, side: number): Promise<Float32Array> {
  const { device, channels } = model;
  const shape = [images.length / (channels * side * side), channels, side, side];
  using x = (device as Device).tensor(images, shape);
  using y = scope(() => model.eval().forward(x));
  return (await y.toArray()) as Float32Array;
}

/** Largest difference over the largest value of `expected`. */
export function relativeDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [difference, largest] = [actual.length === expected.length ? 0 : Number.POSITIVE_INFINITY, 0];
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs((actual[i] as number) - (expected[i] as number));
    difference = Number.isNaN(distance) ? Number.POSITIVE_INFINITY : Math.max(difference, distance);
    largest = Math.max(largest, Math.abs(expected[i] as number));
  }
  return difference / largest;
}

/** Whether a weight is kept, from its packed mask. */
export const keptIn = (words: Uint32Array, i: number): boolean => (((words[i >>> 5] as number) >>> (i & 31)) & 1) === 1;
