import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { run } from './command.js';

const masks = (...args: string[]) => run(tmpdir(), ['masks', ...args]);

interface Result {
  readonly density: { readonly nominal: number; readonly actual: number };
  readonly inference: { readonly ratio: number };
  readonly training: Readonly<Record<string, number>>;
  readonly layers: readonly { readonly name: string; readonly density: number; readonly kept: number }[];
}
const json = async (...args: string[]): Promise<Result> =>
  JSON.parse((await masks(...args, '--json')).stdout) as Result;
const densityOf = ({ layers }: Result, name: string): number =>
  layers.find((layer) => layer.name === `${name}.weight`)?.density as number;

describe('s2sam masks', () => {
  it('prints every layer and the totals', async () => {
    const { code, lines, stderr } = await masks('resnet32', '--layout', 'erk', '--density', '0.1');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(lines[0]).toBe('resnet32, erk, 10 classes, images of 32x32');
    // The stem, 15 blocks of two convolutions, 2 shortcuts, the classifier.
    expect(lines.filter((line) => /\.weight /.test(line))).toHaveLength(34);
    expect(lines.find((line) => line.startsWith('layer3.1.conv1'))).toMatch(
      / 128x128x3x3 +0\.0677 +9,987 +147,456 +1\.3%$/,
    );
    expect(lines).toContain('weights     185,569 of 1,855,584 kept: sparsity 90.00%, asked for 90.00%');
    expect(lines).toContain('parameters  1,860,522, 190,507 not masked');
    expect(lines.find((line) => line.startsWith('inference'))).toMatch(/^inference {3}0\.1749 of dense: /);
  });

  it('has the densities and ratios of the literature', async () => {
    const result = await json('resnet50', '--sparsity', '0.8');
    expect(densityOf(result, 'conv1')).toBeCloseTo(0.85719, 3);
    expect(densityOf(result, 'layer2.1.conv2')).toBeCloseTo(0.1769, 4);
    expect(densityOf(result, 'layer1.0.conv1')).toBe(1);
    expect(result.inference.ratio).toBeCloseTo(0.4138, 3);
    expect(result.training.denseGradientOnUpdates).toBeCloseTo(0.4157, 3);
    expect(result.training.denseGradientAlways).toBeCloseTo(0.6092, 3);
  });

  it('knows layer rules, whose dense layers come on top of a uniform density', async () => {
    const result = await json('resnet32', '--layout', 'uniform', '--dense', 'mest', '--density', '0.1');
    expect(result.inference.ratio).toBeCloseTo(0.1063, 3);
    expect(result.density.actual).toBeCloseTo(1 - 0.894, 3);
    expect(densityOf(result, 'fc')).toBe(1);
    const named = await json(
      'resnet32',
      '--layout',
      'uniform',
      '--dense',
      'fc.weight,conv1.weight',
      '--density',
      '0.1',
    );
    expect([densityOf(named, 'fc'), densityOf(named, 'conv1')]).toEqual([1, 1]);
  });

  it('counts classes and the size of images', async () => {
    const small = await json('vgg19', '--density', '1', '--classes', '100');
    expect(small).toMatchObject({ parameters: 20_081_188, flops: { dense: 2 * 398_182_400 }, inference: { ratio: 1 } });
    const large = await json('resnet20', '--density', '0.5', '--imageSize', '64');
    const usual = await json('resnet20', '--density', '0.5');
    expect(large.inference.ratio).toBeCloseTo(usual.inference.ratio, 3);
  });

  it.each([
    [['resnet33', '--density', '0.1'], /unknown model resnet33; models: /],
    [['resnet32'], /give one of --density and --sparsity/],
    [['resnet32', '--density', '0.1', '--sparsity', '0.9'], /give one of --density and --sparsity/],
    [['resnet32', '--density', '0'], /It must be a number > 0 and <= 1/],
    [['resnet32', '--density', '0.1', '--layout', 'global'], /Allowed choices are uniform, er, erk/],
    [
      ['resnet32', '--density', '0.001', '--dense', 'mest'],
      /the layers forced dense \(conv1\.weight, .* already hold 12384/,
    ],
    [['resnet32', '--density', '0.1', '--dense', 'conv'], /no sparse layer is called 'conv'; did you mean/],
  ])('%j is wrong', async (args, message) => {
    const { code, stderr } = await masks(...args);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});
