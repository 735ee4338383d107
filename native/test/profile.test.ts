import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DeviceHandle, loadCpu } from '../lib/index.js';

const native = loadCpu();
let device: DeviceHandle;
beforeEach(() => {
  device = native.openDevice(0, 2);
});
afterEach(() => native.closeDevice(device));

const plain = (count: number) => native.create(device, 'f32', [count], false);

describe('a profile', () => {
  it('has the ops that ran while it was taken, with their labels, replayed ones too', async () => {
    const x = plain(1000);
    native.fill(x, 1);
    native.captureBegin(device);
    native.label(device, 'layer');
    const y = native.affine(x, 2, 0);
    native.label(device, '');
    native.addInto(x, 1, y);
    const graph = native.captureEnd(device);
    await native.synchronize(device);

    native.beginProfile(device);
    native.replay(graph);
    native.replay(graph);
    await native.synchronize(device);
    const spans = native.endProfile(device);
    expect(spans.map(({ op, label }) => [op, label])).toEqual([
      ['affine', 'layer'],
      ['addInto', ''],
      ['affine', 'layer'],
      ['addInto', ''],
    ]);
    expect(spans[0]).toMatchObject({ bytes: 8000, flops: 0 });
    native.replay(graph);
    await native.synchronize(device);
    native.beginProfile(device);
    expect(native.endProfile(device)).toEqual([]);
  });

  it('is empty when it was never begun', () => {
    expect(native.endProfile(device)).toEqual([]);
  });
});

describe('the peaks of the machine', () => {
  it('are of arithmetic on registers and from two caches, and of copying', async () => {
    const peaks = await native.measurePeaks(device);
    expect(Object.keys(peaks).toSorted()).toEqual(['arithmetic', 'firstLevel', 'memory', 'secondLevel']);
  });

  it('are not measured while a step is recorded', () => {
    native.captureBegin(device);
    expect(() => native.measurePeaks(device)).toThrow('measure before captureBegin');
    native.captureAbort(device);
  });
});
