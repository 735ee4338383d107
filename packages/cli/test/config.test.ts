import { ConfigError } from '@s2sam/core';
import { describe, expect, it } from 'vitest';
import { checkConfig } from '../src/config/check.js';
import { seconds } from '../src/config/fields.js';
import { editDistance, keys, nearest } from '../src/config/keys.js';
import {
  aboutPreset,
  changeConfig,
  configToYaml,
  loadConfig,
  parseYaml,
  presetNames,
  readPreset,
} from '../src/config/load.js';
import { layer, parseOverrides } from '../src/config/overrides.js';
import { keyHelp } from '../src/config/schema.js';
import { makeOptimizer } from '../src/setup/optimizer.js';
import { methods } from '../src/sparsity/methods.js';
import { makeStrategy } from '../src/sparsity/settle.js';

const failure = (action: () => unknown): ConfigError => {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return error as ConfigError;
  }
  throw new Error('nothing was thrown');
};

const withOverrides = (...overrides: string[]) => loadConfig({ preset: 'quickstart', overrides });

describe('unknown keys', () => {
  it.each([
    ['--optimizer.roh=0.1', 'unknown key optimizer.roh; did you mean optimizer.rho?'],
    ['--train.batchsize=64', 'unknown key train.batchsize; did you mean train.batchSize?'],
    ['--epochs=3', 'unknown key epochs; did you mean train.epochs?'],
    ['--optimiser.lr=0.1', 'unknown key optimiser; did you mean optimizer?'],
    ['--train.lr=0.1', 'unknown key train.lr; did you mean optimizer.lr?'],
    ['--zzzzzzzz=1', 'unknown key zzzzzzzz; known sections: model, data, train, optimizer, sparsity, device, output'],
  ])('%s', (override, message) => {
    expect(failure(() => withOverrides(override)).message).toBe(message);
  });

  it('names every wrong key at once', () => {
    const { message, code } = failure(() => withOverrides('--optimizer.roh=0.1', '--train.seed=-1'));
    expect(code).toBe('ERR_CONFIG');
    expect(message.split('\n').sort()).toEqual([
      'train.seed is -1; allowed: a whole number >= 0',
      'unknown key optimizer.roh; did you mean optimizer.rho?',
    ]);
  });
});

describe('wrong values say what is allowed', () => {
  it.each([
    [
      '--model=resnet33',
      'model.name is "resnet33"; allowed: one of ' +
        'resnet18, resnet20, resnet32, resnet34, resnet44, resnet50, resnet56, resnet101, wideResnet16_4, wideResnet22_2, ' +
        'wideResnet28_2, wideResnet28_10, wideResnet50_2, wideResnet101_2, vgg19, vgg16Imagenet, vgg19Imagenet',
    ],
    ['--train.batchSize=0', 'train.batchSize is 0; allowed: a whole number >= 1'],
    ['--train.batchSize=many', 'train.batchSize is "many"; allowed: a whole number >= 1'],
    ['--optimizer.momentum=1', 'optimizer.momentum is 1; allowed: a number >= 0 and < 1'],
    ['--optimizer.rho=.nan', 'optimizer.rho is NaN; allowed: a number >= 0'],
    [
      '--optimizer.milestones=[80, 40]',
      'optimizer.milestones is [80,40]; allowed: a rising list of epochs such as [80, 120]',
    ],
    ['--train.timeBudget=soon', 'train.timeBudget is "soon"; allowed: a duration such as 240s, 15m or 1.5h'],
    ['--data.download=maybe', 'data.download is "maybe"; allowed: true or false'],
    ['--sparsity.density=0', 'sparsity.density is 0; allowed: a number > 0 and <= 1'],
    ['--output.dir=', 'output.dir is ""; allowed: a text'],
  ])('%s', (override, message) => {
    expect(failure(() => withOverrides(override)).message).toBe(message);
  });

  it('a section that is no section', () => {
    const { message } = failure(() => withOverrides('--train=5'));
    expect(message).toMatch(/^train is 5; it is a section with the keys train\.epochs, train\.steps, /);
  });

  it('an argument that is no setting', () => {
    expect(failure(() => withOverrides('rho=0.1')).message).toBe(
      "unexpected argument 'rho=0.1'; settings look like --optimizer.rho=0.1",
    );
  });
});

describe('settings that do not go together', () => {
  it.each([
    [['--train.epochs=1', '--train.steps=5'], /train\.epochs and train\.steps are given; give one of/],
    [['--sparsity.density=0.1', '--sparsity.sparsity=0.9'], /density is 0\.1 and sparsity\.sparsity is 0\.9; give one/],
    [['--sparsity.method=dense', '--sparsity.density=0.1'], /sparsity\.method is dense but the density is 0\.1/],
    [['--optimizer.schedule=multistep'], /optimizer\.milestones is empty/],
    [['--optimizer.momentum=0'], /optimizer\.nesterov is true but optimizer\.momentum is 0/],
  ])('%j', (overrides, message) => {
    expect(failure(() => withOverrides(...overrides)).message).toMatch(message);
  });

  it('a configuration without a length', () => {
    expect(failure(() => checkConfig({})).message).toBe(
      'no length is given; give one of train.epochs, train.steps, train.timeBudget',
    );
  });

  it('static sparsity without a density', () => {
    expect(failure(() => checkConfig({ train: { epochs: 1 }, sparsity: { method: 'static' } })).message).toMatch(
      /^sparsity\.density is missing/,
    );
  });
});

describe('overrides', () => {
  it('takes both spellings, flags, lists and the short name of a section', () => {
    const args = ['--optimizer.rho=0.1', '--train.epochs', '3', '--data.download', '--model', 'resnet20'];
    expect(parseOverrides([...args, '--optimizer.milestones=[1, 2]', '--data.root=/a=b'])).toEqual({
      optimizer: { rho: 0.1, milestones: [1, 2] },
      train: { epochs: 3 },
      data: { download: true, root: '/a=b' },
      model: { name: 'resnet20' },
    });
  });

  it('cannot reach the prototype of objects', () => {
    expect(() => parseOverrides(['--__proto__.polluted=1'])).toThrow(ConfigError);
    parseOverrides(['--constructor.prototype.polluted=1']);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  it('a length replaces the length below it, a density the sparsity below it', () => {
    expect(withOverrides('--train.epochs=2').train).toMatchObject({ epochs: 2 });
    expect(withOverrides('--train.epochs=2').train).not.toHaveProperty('timeBudget');
    expect(withOverrides('--sparsity.sparsity=0.95').sparsity.density).toBe(0.05);
    expect(withOverrides('--sparsity=dense').sparsity).toMatchObject({ method: 'dense', density: 1 });
  });

  it('leaves what it is laid over unchanged', () => {
    const base = { train: { epochs: 1 } };
    layer(base, { train: { steps: 2 } });
    expect(base).toEqual({ train: { epochs: 1 } });
  });

  it('a density alone asks for static masks', () => {
    expect(checkConfig({ train: { steps: 1 }, sparsity: { density: 0.2 } }).sparsity).toEqual({
      method: 'static',
      layout: 'erk',
      density: 0.2,
    });
  });

  it('a resumed run may change its length but not its optimizer', () => {
    const saved = { train: { steps: 5 }, optimizer: { name: 'sgd' } };
    const config = changeConfig(saved, ['--train.steps=9'], ['train.steps'], 'why');
    expect(config.train.steps).toBe(9);
    expect(failure(() => changeConfig(saved, ['--optimizer.lr=1'], ['train.steps'], 'the reason')).message).toBe(
      'optimizer.lr cannot be changed: the reason; allowed: train.steps',
    );
  });
});

describe('presets', () => {
  const strategyNames: Readonly<Record<string, string | undefined>> = {
    dense: undefined,
    erk: 'static(erk)',
    snip: 'snip(global)',
    grasp: 'grasp(global)',
    lt: 'lt',
    set: 'set(erk)',
    dsr: 'dsr',
    rigl: 'rigl(erk)',
    mest: 'mest(em)',
    mests: 'mest(em&s)',
    snfs: 'snfs(erk)',
    gradual: 'gradual(uniform)',
    chase: 'chase(erk)',
    chex: 'chex',
  };
  const generated = presetNames().filter((name) => name !== 'quickstart' && !name.startsWith('imagenet/'));

  it('cover both networks, both data sets, every method and sparsity', () => {
    const weights = Object.keys(methods).filter((method) => method !== 'static' && method !== 'chex');
    const labels = [
      'dense',
      ...['erk', 'mests', ...weights].flatMap((label) => [90, 95, 98].map((percent) => `${label}${percent}`)),
      ...[30, 50, 70].map((percent) => `chex${percent}`),
    ];
    const expected = ['resnet32', 'vgg19'].flatMap((model) =>
      ['cifar10', 'cifar100'].flatMap((data) => labels.map((label) => `${model}-${data}-${label}`)),
    );
    expect([...generated].sort()).toEqual(expected.sort());
  });

  it.each(presetNames())('%s is valid, builds, and says what its name says', (name) => {
    const config = loadConfig({ preset: name });
    const strategy = makeStrategy(config.sparsity);
    expect(makeOptimizer(config.optimizer).kind).toBe(config.sparsity.method === 'dense' ? 'sgd' : 's2sam');
    expect(aboutPreset(name).length).toBeGreaterThan(10);
    if (!generated.includes(name)) return;
    const [model, data, label = ''] = name.split('-');
    const [, method = '', percent = '0'] = /^([a-z]+)(\d*)$/.exec(label) ?? [];
    expect([config.model.name, config.data.name, config.train.epochs]).toEqual([model, data, 160]);
    const amount = config.sparsity.density ?? 1 - (config.sparsity.channelSparsity as number);
    expect(amount).toBeCloseTo(1 - Number(percent) / 100, 12);
    expect(strategy?.name).toBe(strategyNames[method]);
  });

  it('train by the recipes of the literature', () => {
    const recipe = (name: string) => {
      const { train, optimizer } = loadConfig({ preset: name });
      const { lr, schedule, momentum, nesterov, weightDecay, endLr, milestones, gamma } = optimizer;
      return { batch: train.batchSize, lr, schedule, momentum, nesterov, weightDecay, endLr, milestones, gamma };
    };
    const common = { lr: 0.1, momentum: 0.9, gamma: 0.1 };
    const mest = { ...common, batch: 64, schedule: 'cosine', endLr: 4e-8, nesterov: false, milestones: [] };
    const steps = { ...common, schedule: 'multistep', milestones: [80, 120], endLr: 0 };
    const grasp = { ...steps, batch: 128, nesterov: false };
    expect(recipe('resnet32-cifar10-mest90')).toEqual({ ...mest, weightDecay: 1e-4 });
    expect(recipe('resnet32-cifar100-rigl98')).toEqual({ ...mest, weightDecay: 1e-4 });
    expect(recipe('vgg19-cifar10-mests95')).toEqual({ ...mest, weightDecay: 1e-4 });
    expect(recipe('resnet32-cifar10-grasp90')).toEqual({ ...grasp, weightDecay: 1e-4 });
    expect(recipe('vgg19-cifar100-snip98')).toEqual({ ...grasp, weightDecay: 5e-4 });
    expect(recipe('vgg19-cifar10-lt90')).toEqual({ ...grasp, weightDecay: 5e-4 });
    expect(recipe('resnet32-cifar10-chase95')).toEqual({ ...steps, batch: 100, nesterov: true, weightDecay: 5e-4 });
  });

  it('have what authors changed in single cases', () => {
    const options = (name: string) => loadConfig({ preset: name }).sparsity;
    expect(options('resnet32-cifar100-grasp98')).toMatchObject({ perClass: 5, rounds: 2 });
    expect(options('resnet32-cifar10-grasp98')).not.toHaveProperty('perClass');
    expect(options('vgg19-cifar100-mests98')).toMatchObject({ stages: 'em&s', network: 'vgg' });
    expect(options('resnet32-cifar100-mests98')).not.toHaveProperty('network');
  });

  it('suggests a preset', () => {
    expect(failure(() => readPreset('quickstrat')).message).toMatch(
      /^unknown preset quickstrat; did you mean quickstart\?/,
    );
  });

  it('a saved configuration reads as itself', () => {
    const config = loadConfig({ preset: 'vgg19-cifar10-erk90' });
    expect(checkConfig(parseYaml(configToYaml(config), 'test'))).toEqual(config);
  });
});

describe('keys', () => {
  it('every key has a line of help and the other way round', () => {
    expect(Object.keys(keyHelp).sort()).toEqual(keys.map(({ path }) => path).sort());
    expect(keys.every(({ allowed }) => allowed.length > 0)).toBe(true);
  });

  it.each([
    ['kitten', 'sitting', 3],
    ['rho', 'roh', 1],
    ['', 'abc', 3],
    ['same', 'same', 0],
  ])('edit distance of %s and %s is %i', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
    expect(editDistance(b, a)).toBe(distance);
  });

  it('suggests nothing far away', () => {
    expect(nearest('optimizer.wibblewobble', ['optimizer.lr'])).toBeUndefined();
  });

  it.each([
    ['240s', 240],
    ['15m', 900],
    ['1.5h', 5400],
    [90, 90],
    ['0s', undefined],
    ['5 days', undefined],
    [-1, undefined],
  ])('duration %s', (value, expected) => {
    expect(seconds(value)).toBe(expected);
  });
});
