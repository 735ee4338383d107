import {
  type Classifier,
  createModel,
  crossEntropy,
  Device,
  type ModelOptions,
  resnet50,
  scope,
  Tape,
  vgg19,
  wideResnet16_4,
  wideResnet50_2,
  wideResnetCifar,
} from '@s2sam/core';
import { describe, expect, it } from 'vitest';
import { eachDevice } from '../support/devices.js';
import { type GoldenCase, golden } from '../support/golden.js';
import '../support/matchers.js';
import { narrowVgg } from '../support/narrowVgg.js';

/** Logits and the gradients of all parameters, of one pass over the case's images. */
async function pass(model: Classifier, { params, f32, input }: GoldenCase): Promise<ArrayLike<number>> {
  const { device } = model;
  for (const bias of params.biases ?? []) model.namedParameters().get(bias)?.value.write(f32(bias).data);
  return await scope(async () => {
    const images = f32('x');
    const x = device.tensor(images.data, images.shape);
    const labels = device.tensor(input('labels').data, [images.shape[0] as number]);
    model.train(params.training);
    const tape = new Tape();
    const { logits, loss } = tape.record(() => {
      const logits = model.forward(x);
      return { logits, loss: crossEntropy(logits, labels) };
    });
    tape.backward(loss, undefined, { release: { keep: [logits] } });
    return await logits.toArray();
  });
}

function norm(values: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (values[i] as number) ** 2;
  return Math.sqrt(squares);
}

const networks = {
  resnet50,
  wideResnet50_2,
  wideResnet16_4,
  vgg19,
  // PyTorch drops other units than we do.
  vgg16Imagenet: (options: ModelOptions) => narrowVgg({ ...options, dropout: 0 }),
} satisfies Record<string, (options: ModelOptions) => Classifier>;

for (const [name, make] of Object.entries(networks)) {
  eachDevice(name, (device) => {
    it.each(golden(name))('$name: logits and gradients', async (example) => {
      const { params, output, has } = example;
      using model = make({ device, classes: params.classes, seed: params.seed });
      const parameters = model.namedParameters();
      expect(params.fp32_spread).toBeLessThan(1e-4 / 2);
      expect(await pass(model, example)).toBeCloseToTensor(output('logits'));
      for (const gradient of params.gradients) {
        const found = await parameters.get(gradient)?.gradient.toArray();
        expect(found).toBeCloseToTensor(output(`gradient/${gradient}`));
      }
      for (const bias of params.training ? (params.biases ?? []) : []) {
        // PyTorch's are rounding errors.
        expect(new Set(await parameters.get(bias)?.gradient.toArray())).toEqual(new Set([0]));
      }
      for (const [buffer, { tensor }] of model.namedBuffers()) {
        if (has(buffer)) expect(await tensor.toArray()).toBeCloseToTensor(output(buffer));
      }
      if (!has('gradient_norms')) return;
      expect([...parameters.keys()].sort()).toEqual([...params.names].sort());
      const { values } = output('gradient_norms');
      for (const [i, parameter] of params.names.entries()) {
        const found = norm((await parameters.get(parameter)?.gradient.toArray()) ?? []);
        expect(Math.abs(found / (values[i] as number) - 1), parameter).toBeLessThan(1e-4);
      }
    });
  });
}

/** Multiply-adds of the convolutions and linear layers of one forward pass; recorded only, so nothing is computed. */
function multiplyAdds(device: Device, name: string, classes: number, side: number): number {
  const { native } = device;
  const product = (shape: readonly number[]): number => shape.reduce((count, extent) => count * extent, 1);
  let total = 0;
  const counting = new Proxy(native, {
    get: (_, op) => {
      const call = Reflect.get(native, op) as (...args: number[]) => number;
      if (op !== 'conv2d' && op !== 'linear') return call;
      return (x: number, w: number, ...rest: number[]): number => {
        const y = call(x, w, ...rest);
        total += product(native.shape(y)) * product(native.shape(w).slice(1));
        return y;
      };
    },
  });
  using counted = new Device(counting, native.openDevice(0, 1));
  using model = createModel(name, { device: counted, classes }).eval();
  counted.capture(() => scope(() => void model.forward(counted.zeros([1, 3, side, side]))))[Symbol.dispose]();
  return total;
}

eachDevice('the networks of ImageNet', (device) => {
  // Of torchvision's networks, counted by PyTorch's FlopCounterMode.
  const networks = [
    ['resnet18', 11_689_512, 1_814_073_344],
    ['resnet34', 21_797_672, 3_663_761_408],
    ['resnet50', 25_557_032, 4_089_184_256],
    ['resnet101', 44_549_160, 7_801_405_440],
    ['wideResnet50_2', 68_883_240, 11_398_021_120],
    ['wideResnet101_2', 126_886_696, 22_753_050_624],
    ['vgg16Imagenet', 138_365_992, 15_470_264_320],
    ['vgg19Imagenet', 143_678_248, 19_632_062_464],
  ] as const;
  // An emulated GPU has no memory for the largest beside other tests; the counts do not depend on the device.
  const fitting = networks.filter(([, parameters]) => device.kind === 'cpu' || parameters < 50e6);
  it.each(fitting)('%s has %d parameters and %d multiply-adds at 224x224', (name, parameters, macs) => {
    using model = createModel(name, { device, classes: 1000 });
    expect([...model.namedParameters().values()].reduce((sum, { size }) => sum + size, 0)).toBe(parameters);
    expect(multiplyAdds(device, name, 1000, 224)).toBe(macs);
  });

  describe('resnet50', () => {
    it("has torchvision's names", () => {
      using model = resnet50({ device });
      const names = [...model.namedParameters().keys()];
      expect(model.classes).toBe(1000);
      expect(names.slice(0, 6)).toEqual([
        'conv1.weight',
        'bn1.weight',
        'bn1.bias',
        'layer1.0.conv1.weight',
        'layer1.0.bn1.weight',
        'layer1.0.bn1.bias',
      ]);
      for (const name of [
        'layer1.0.downsample.0.weight',
        'layer2.0.downsample.1.bias',
        'layer4.2.conv3.weight',
        'fc.bias',
      ]) {
        expect(names).toContain(name);
      }
      expect([...model.namedBuffers().keys()]).toContain('layer3.5.bn3.running_var');
    });

    it('starts the last gamma of each block at 0 where asked to', () => {
      using model = createModel('resnet18', { device, zeroInitResidual: true });
      const gammas = [...model.namedParameters()].filter(
        ([name, { kind }]) => kind === 'norm' && name.endsWith('weight'),
      );
      const zero = gammas.filter(([, { init }]) => init.kind === 'constant' && init.value === 0).map(([name]) => name);
      expect(zero).toHaveLength(8);
      expect(zero.every((name) => /^layer\d\.\d\.bn2\.weight$/.test(name))).toBe(true);
      expect(() => createModel('vgg19', { device, zeroInitResidual: true })).toThrow(
        /vgg19 cannot start with zeroInitResidual; models that can: resnet18/,
      );
    });
  });
});

eachDevice('the networks of CIFAR', (device) => {
  // Parameters as in the papers and their public implementations; ResNet-32 and VGG-19 are those of the literature on sparse training.
  it.each([
    ['resnet32', 10, 1_860_522, 275_612_928],
    ['resnet32', 100, 1_872_132, 275_624_448],
    ['vgg19', 10, 20_035_018, 398_136_320],
    ['vgg19', 100, 20_081_188, 398_182_400],
    ['wideResnet16_4', 10, 2_748_890, 392_612_352],
    ['wideResnet28_10', 10, 36_479_194, 5_243_328_768],
    ['wideResnet28_10', 100, 36_536_884, 5_243_386_368],
  ])('%s with %d classes has %d parameters and %d multiply-adds', (name, classes, parameters, macs) => {
    using model = createModel(name, { device, classes });
    expect([...model.namedParameters().values()].reduce((sum, { size }) => sum + size, 0)).toBe(parameters);
    expect(multiplyAdds(device, name, classes, 32)).toBe(macs);
  });

  it('wideResnet22_2 is that of RigL', () => {
    using model = createModel('wideResnet22_2', { device, classes: 10 });
    const weights = [...model.namedParameters().values()].filter(({ kind }) => kind === 'weight');
    expect(weights.reduce((sum, { size }) => sum + size, 0)).toBe(1_076_912);
    expect(multiplyAdds(device, 'wideResnet22_2', 10, 32)).toBe(157_730_048);
  });

  it('wideResnetCifar has a block of each kind and refuses depths between them', () => {
    using model = wideResnetCifar({ device, depth: 10, width: 1 });
    const shortcuts = [...model.namedParameters()].filter(([, { role }]) => role === 'shortcut').map(([name]) => name);
    // As wide as the stem, the first stage changes no shape.
    expect(shortcuts).toEqual(['block2.layer.0.convShortcut.weight', 'block3.layer.0.convShortcut.weight']);
    expect(() => wideResnetCifar({ device, depth: 20, width: 2 })).toThrow(/depth is 20; it must be 6n \+ 4/);
  });
});
