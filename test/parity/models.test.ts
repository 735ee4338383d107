import { type Classifier, createModel, crossEntropy, Device, resnet18, resnet50, scope, Tape } from '@s2sam/core';
import { describe, expect, it } from 'vitest';
import { eachDevice } from '../support/devices.js';
import { type GoldenCase, golden } from '../support/golden.js';
import '../support/matchers.js';

/** Logits and the gradients of all parameters, of one pass over the case's images. */
async function pass(model: Classifier, { params, f32, input }: GoldenCase): Promise<ArrayLike<number>> {
  const { device } = model;
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

for (const name of ['resnet50', 'vgg19'] as const) {
  eachDevice(name, (device) => {
    it.each(golden(name))('$name: logits and gradients', async (example) => {
      const { params, output, has } = example;
      using model = createModel(name, { device, classes: params.classes, seed: params.seed });
      const parameters = model.namedParameters();
      expect(params.fp32_spread).toBeLessThan(1e-4 / 2);
      expect(await pass(model, example)).toBeCloseToTensor(output('logits'));
      for (const gradient of params.gradients) {
        const found = await parameters.get(gradient)?.gradient.toArray();
        expect(found).toBeCloseToTensor(output(`gradient/${gradient}`));
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
  // Counts of He et al. 2016, with the stride of ResNet-50 and 101 in the 3x3 convolutions, as torchvision's.
  it.each([
    ['resnet18', 11_689_512, 1_814_073_344],
    ['resnet34', 21_797_672, 3_663_761_408],
    ['resnet50', 25_557_032, 4_089_184_256],
    ['resnet101', 44_549_160, 7_801_405_440],
  ])('%s has %d parameters and %d multiply-adds at 224x224', (name, parameters, macs) => {
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
      using model = resnet18({ device, zeroInitResidual: true });
      const gammas = [...model.namedParameters()].filter(
        ([name, { kind }]) => kind === 'norm' && name.endsWith('weight'),
      );
      const zero = gammas.filter(([, { init }]) => init.kind === 'constant' && init.value === 0).map(([name]) => name);
      expect(zero).toHaveLength(8);
      expect(zero.every((name) => /^layer\d\.\d\.bn2\.weight$/.test(name))).toBe(true);
    });
  });
});
