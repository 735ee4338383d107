import { maxPool2d } from '../autograd/pool.js';
import type { ChannelFlow } from '../nn/channels.js';
import { BatchNorm2d, Conv2d, type Conv2dOptions, type Linear } from '../nn/layers.js';
import { Module } from '../nn/module.js';
import type { Tensor } from '../tensor/tensor.js';

export const halving = { kernel: [2, 2], stride: [2, 2], padding: [0, 0] } as const;

/** Fused into the layer before it; holds its place so that layer numbers are PyTorch's. */
export class ReLU extends Module {
  forward(x: Tensor): Tensor {
    return x;
  }
}

class MaxPool extends Module {
  forward(x: Tensor): Tensor {
    return maxPool2d(x, halving);
  }
}

/** Output channels of a 3x3 convolution with batch norm and ReLU, or `M` for a 2x2 max pool. */
export type VggLayer = number | 'M';

/**
 * The layers of a VGG before its classifier, numbered as PyTorch does, and the channels they end with.
 * @param channels of the convolution with this number, where they are not what the plan says
 */
export function vggFeatures(
  plan: readonly VggLayer[],
  channels: (index: number) => number | undefined,
  options: Pick<Conv2dOptions, 'bias'> = {},
): { readonly layers: readonly Module[]; readonly outputs: number } {
  const layers: Module[] = [];
  let inputs = 3;
  for (const full of plan) {
    if (full === 'M') {
      layers.push(new MaxPool());
      continue;
    }
    const outputs = channels(layers.length) ?? full;
    const role = layers.length === 0 ? 'stem' : 'body';
    const conv = new Conv2d(inputs, outputs, { kernel: 3, padding: 1, role, ...options });
    layers.push(conv, new BatchNorm2d(outputs), new ReLU());
    inputs = outputs;
  }
  return { layers, outputs: inputs };
}

/** The forward passes of such layers. */
export function vggForward(layers: readonly Module[]): ((x: Tensor) => Tensor)[] {
  return layers.map((layer, index) => {
    const before = layers[index - 1];
    return layer instanceof BatchNorm2d && before instanceof Conv2d
      ? (x) => layer.apply(x, { relu: true, inputBias: before.bias })
      : (x) => layer.forward(x);
  });
}

/** One group per convolution. @param name the property that holds the layers */
export function vggGroups(name: string, layers: readonly Module[], classifier: Linear): ChannelFlow[] {
  const convolutions = layers.flatMap((layer, index) => (layer instanceof Conv2d ? [{ layer, index }] : []));
  return convolutions.map(
    ({ layer, index }, i): ChannelFlow => ({
      name: `${name}.${index}`,
      channels: layer.outputs,
      producers: [layer],
      norms: [layers[index + 1] as BatchNorm2d],
      consumers: [convolutions[i + 1]?.layer ?? classifier],
    }),
  );
}
