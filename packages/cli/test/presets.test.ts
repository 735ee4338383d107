import { describe, expect, it } from 'vitest';
import { presetsCommand } from '../src/commands/presets.js';
import { checkConfig } from '../src/config/check.js';
import { loadConfig, parseYaml, presetNames } from '../src/config/load.js';
import type { Tree } from '../src/config/overrides.js';
import { makeStrategy } from '../src/sparsity/settle.js';

function printed(words: readonly string[], options: { json?: boolean } = {}): string[] {
  const lines: string[] = [];
  const print = (line: string): void => void lines.push(line);
  expect(presetsCommand(words, options, { print, remark: print, warn: print, interactive: false })).toBe(0);
  return lines;
}

describe('s2sam presets', () => {
  it('lists all, or those whose names contain all the words', () => {
    expect(printed([])).toHaveLength(presetNames().length + 1);
    expect(
      printed(['vgg19', 'rigl'])
        .slice(1)
        .map((line) => line.split(' ')[0]),
    ).toEqual([
      'vgg19-cifar10-rigl90',
      'vgg19-cifar10-rigl95',
      'vgg19-cifar10-rigl98',
      'vgg19-cifar100-rigl90',
      'vgg19-cifar100-rigl95',
      'vgg19-cifar100-rigl98',
    ]);
  });

  it('shows the settings of a single one, which are those that train with it', () => {
    const lines = printed(['resnet32-cifar10-mest90']);
    expect(lines[1]).toBe(
      'resnet32-cifar10-mest90  resnet32 on cifar10, mest, 90 % of the weights removed; recipe of mest',
    );
    expect(checkConfig(parseYaml(lines.slice(2).join('\n'), 'test'))).toEqual(
      loadConfig({ preset: 'resnet32-cifar10-mest90' }),
    );
  });

  it('gives the recipes of ImageNet with what was published for the method alone, and how sure that is', () => {
    const names = printed(['imagenet/resnet50'])
      .slice(1)
      .map((line) => line.split(' ')[0] as string);
    const methods = ['rigl', 'mest', 'snip', 'grasp', 'set', 'chase', 'chex'];
    const expected = methods.flatMap((method) => [80, 90].map((percent) => `imagenet/resnet50-${method}-${percent}`));
    expect(names).toEqual(['imagenet/resnet50-dense', ...expected]);
    for (const line of printed(['imagenet/resnet50']).slice(1)) {
      expect(line).toMatch(/published without S2-SAM \d\d(\.\d+)? % \(.+, (seen|second-hand|recalled)/);
    }
    for (const name of names) {
      const { train, model, data, sparsity } = loadConfig({ preset: name, overrides: ['--data.root=somewhere'] });
      expect([model.name, data.name]).toEqual(['resnet50', 'imagenet']);
      expect(train.batchSize * train.accumulate).toBeGreaterThanOrEqual(256);
      makeStrategy(sparsity);
    }
    const { train, optimizer } = loadConfig({ preset: 'imagenet/resnet50-rigl-90' });
    expect(train).toMatchObject({ batchSize: 256, accumulate: 16, epochs: 100, labelSmoothing: 0.1 });
    expect(optimizer).toMatchObject({ lr: 1.6, milestones: [30, 70, 90], warmupEpochs: 5, nesterov: true, rho: 0.05 });
  });

  it('prints JSON', () => {
    const [text = ''] = printed(['quickstart'], { json: true });
    const found = JSON.parse(text) as Record<string, Tree>;
    expect(checkConfig(found.quickstart as Tree)).toEqual(loadConfig({ preset: 'quickstart' }));
  });

  it('says so where there is none', () => {
    expect(() => printed(['resnet51'])).toThrow('none has resnet51 in its name; s2sam presets lists all');
  });
});
