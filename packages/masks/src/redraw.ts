import { type SparseLayer, streamKey } from '@s2sam/core';

/** N(0, 2 / (fanIn + fanOut)) (Glorot & Bengio 2010), or N(0, 1 / fanIn), TensorFlow's default at SNIP's time. */
export type Redraw = 'xavier' | 'varianceScaling';

/** Draws the weights of layers anew, for scoring; core undoes it after `init`. */
export function redraw(layers: readonly SparseLayer[], kind: Redraw, seed: number): void {
  for (const { name, shape, weight } of layers) {
    const [outputs = 1, inputs = 1, ...kernel] = shape;
    const area = kernel.reduce((product, extent) => product * extent, 1);
    const variance = kind === 'xavier' ? 2 / ((inputs + outputs) * area) : 1 / (inputs * area);
    const [key0, key1] = streamKey(seed, `redraw/${name}`);
    weight.device.native.randomNormal(weight.handle, key0, key1, 0, Math.sqrt(variance));
  }
}
