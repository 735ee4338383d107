import type { LayerRole, SparseLayer, StrategyContext } from '@s2sam/core';
import { expect } from 'vitest';
import type { LayerShape } from '../src/index.js';

/** What core would give to a strategy that needs neither gradient nor memory. */
export const contextOf = (layers: readonly SparseLayer[], more: Partial<StrategyContext> = {}): StrategyContext => ({
  layers,
  groups: [],
  step: 0,
  round: 0,
  stepsPerEpoch: 1,
  totalSteps: 1,
  seed: 0,
  memory: () => expect.fail('this strategy should not need memory'),
  warn: (message) => expect.fail(`unexpected warning: ${message}`),
  probeGradient: () => expect.fail('this strategy should not need a gradient'),
  probeCurvature: () => expect.fail('this strategy should not need curvature'),
  ...more,
});

/** Tables of the convolutions and linear layers of the networks in the literature, names as in PyTorch. */
export const layer = (name: string, shape: readonly number[], role: LayerRole = 'body'): LayerShape => ({
  name: `${name}.weight`,
  shape,
  size: shape.reduce((product, extent) => product * extent, 1),
  kind: shape.length === 4 ? 'conv2d' : 'linear',
  role,
});

/** ResNet-32 of double width (32, 64, 128) with projection shortcuts, as in GraSP and MEST. */
export function resnet32(classes: number): LayerShape[] {
  const layers = [layer('conv1', [32, 3, 3, 3], 'stem')];
  let inputs = 32;
  for (const [stage, width] of [32, 64, 128].entries()) {
    for (let block = 0; block < 5; block++) {
      const name = `layer${stage + 1}.${block}`;
      layers.push(layer(`${name}.conv1`, [width, inputs, 3, 3]), layer(`${name}.conv2`, [width, width, 3, 3]));
      if (inputs !== width) layers.push(layer(`${name}.shortcut.0`, [width, inputs, 1, 1], 'shortcut'));
      inputs = width;
    }
  }
  return [...layers, layer('fc', [classes, 128], 'classifier')];
}

/** VGG-19 for 32x32 images with one linear layer; convolutions are counted from 0. */
export function vgg19(classes: number): LayerShape[] {
  const widths = [64, 64, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512, 512, 512, 512, 512];
  const convolutions = widths.map((width, index) =>
    layer(`conv${index}`, [width, widths[index - 1] ?? 3, 3, 3], index === 0 ? 'stem' : 'body'),
  );
  return [...convolutions, layer('fc', [classes, 512], 'classifier')];
}

/** ResNet-50 as torchvision has it. */
export function resnet50(): LayerShape[] {
  const layers = [layer('conv1', [64, 3, 7, 7], 'stem')];
  let inputs = 64;
  for (const [stage, blocks] of [3, 4, 6, 3].entries()) {
    const width = 64 * 2 ** stage;
    for (let block = 0; block < blocks; block++) {
      const name = `layer${stage + 1}.${block}`;
      layers.push(
        layer(`${name}.conv1`, [width, inputs, 1, 1]),
        layer(`${name}.conv2`, [width, width, 3, 3]),
        layer(`${name}.conv3`, [4 * width, width, 1, 1]),
      );
      if (block === 0) layers.push(layer(`${name}.downsample.0`, [4 * width, inputs, 1, 1], 'shortcut'));
      inputs = 4 * width;
    }
  }
  return [...layers, layer('fc', [1000, 2048], 'classifier')];
}
