import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BinaryOp, type DeviceHandle, loadCpu, type TensorHandle, UnaryOp } from '../lib/index.js';

const native = loadCpu();
let device: DeviceHandle;
beforeEach(() => {
  device = native.openDevice(0, 2);
});
afterEach(() => native.closeDevice(device));

const plain = (count: number) => native.create(device, 'f32', [count], false);
const values = async (tensor: TensorHandle) => [...(await native.read(tensor))];
const held = () => native.memory(device).active + native.memory(device).cached;

/** Records y = (x + 1)^2 with its temporaries disposed; the graph and y. */
function squareOfNext(x: TensorHandle): [number, TensorHandle] {
  native.captureBegin(device);
  const next = native.affine(x, 1, 1);
  const y = native.unary(UnaryOp.square, next);
  native.dispose(next);
  return [native.captureEnd(device), y];
}

describe('a recorded step', () => {
  it('runs only when replayed, on the values of the moment', async () => {
    const x = plain(3);
    const total = plain(3);
    native.captureBegin(device);
    native.addInto(x, 1, total);
    const graph = native.captureEnd(device);
    expect(await values(total)).toEqual([0, 0, 0]);
    native.write(x, Float32Array.of(1, 2, 3));
    native.replay(graph);
    native.replay(graph);
    native.fill(x, 10);
    native.replay(graph);
    expect(await values(total)).toEqual([12, 14, 16]);
  });

  it('gives the same bits as the ops called one by one', async () => {
    const x = native.create(device, 'f32', [3, 4, 7, 7], true);
    const w = native.create(device, 'f32', [5, 4, 3, 3], false);
    native.randomNormal(w, 1, 2, 0, 1);
    const flat = native.create(device, 'f32', [3, 196], false);
    native.randomNormal(flat, 3, 4, 0, 1);
    native.copy(native.unflatten(flat, 4, 7, 7), x);
    const forward = () => native.unary(UnaryOp.relu, native.conv2d(x, w, 0, 1, 1, 1, 1));
    const eager = await values(forward());
    native.captureBegin(device);
    const y = forward();
    native.replay(native.captureEnd(device));
    expect(await values(y)).toEqual(eager);
  });

  it('keeps its memory from ops outside, and shares it with other recorded steps', async () => {
    const x = plain(1000);
    const [first, y] = squareOfNext(x);
    const afterFirst = held();
    const [second, z] = squareOfNext(x);
    expect(held() - afterFirst).toBeLessThanOrEqual(5000); // one more result, no more temporaries
    // Blocks of the same size, taken and written outside, must not be the temporaries of the step.
    const others = Array.from({ length: 8 }, () => plain(1000));
    for (const other of others) native.fill(other, -1);
    native.fill(x, 2);
    native.replay(first);
    native.fill(x, 3);
    native.replay(second);
    expect((await values(y)).every((v) => v === 9)).toBe(true);
    expect((await values(z)).every((v) => v === 16)).toBe(true);
    for (const other of others) expect((await values(other)).every((v) => v === -1)).toBe(true);
  });

  it('keeps alive what it uses from outside', async () => {
    const x = plain(64);
    const y = plain(64);
    native.fill(x, 5);
    native.captureBegin(device);
    native.addInto(x, 1, y);
    const graph = native.captureEnd(device);
    native.dispose(x);
    const others = Array.from({ length: 4 }, () => plain(64));
    for (const other of others) native.fill(other, 100);
    native.replay(graph);
    expect((await values(y))[0]).toBe(5);
    const active = native.memory(device).active;
    native.disposeGraph(graph);
    expect(native.memory(device).active).toBe(active - 256);
  });

  it('keeps alive the mask it uses', async () => {
    const bits = native.create(device, 'u32', [1], false);
    const mask = native.createMask(bits, [4]);
    native.maskWrite(mask, Uint32Array.of(0b0101));
    const x = plain(4);
    native.fill(x, 1);
    native.captureBegin(device);
    const y = plain(4);
    native.maskApply(mask, x, y);
    const graph = native.captureEnd(device);
    native.disposeMask(mask);
    native.dispose(bits);
    native.fill(native.create(device, 'u32', [1], false), 0);
    native.replay(graph);
    expect(await values(y)).toEqual([1, 0, 1, 0]);
  });

  it('returns its memory when the last graph is gone', async () => {
    const x = plain(1000);
    const before = native.memory(device);
    const graphs = [squareOfNext(x), squareOfNext(x)];
    expect(native.memory(device)).toMatchObject({ graphs: 2, tensors: before.tensors + 2 });
    for (const [graph, y] of graphs) {
      native.replay(graph);
      native.disposeGraph(graph);
      native.disposeGraph(graph);
      native.dispose(y);
    }
    expect(native.memory(device)).toMatchObject({ graphs: 0, tensors: before.tensors, active: before.active });
    const after = held();
    for (let i = 0; i < 3; ++i) plain(1000); // the step's blocks serve everybody again
    expect(held()).toBe(after);
    native.trim(device);
    await native.synchronize(device);
  });

  it('a result outlives its graph', async () => {
    const x = plain(8);
    const [graph, y] = squareOfNext(x);
    native.replay(graph);
    native.disposeGraph(graph);
    const others = Array.from({ length: 4 }, () => plain(8));
    for (const other of others) native.fill(other, -1);
    expect(await values(native.binary(BinaryOp.add, y, y))).toEqual(Array(8).fill(2));
  });

  it('can be abandoned', async () => {
    const x = plain(4);
    native.captureBegin(device);
    native.fill(x, 9);
    native.captureAbort(device);
    expect(await values(x)).toEqual([0, 0, 0, 0]);
    native.fill(x, 1);
    expect(await values(x)).toEqual([1, 1, 1, 1]);
    expect(native.memory(device).graphs).toBe(0);
  });

  it('refuses what cannot be recorded and what is out of turn', () => {
    const x = plain(4);
    const mask = native.createMask(native.create(device, 'u32', [1], false), [4]);
    expect(() => native.captureEnd(device)).toThrow(/no step is being recorded/);
    expect(() => native.captureAbort(device)).toThrow(/no step is being recorded/);
    const [graph] = squareOfNext(x);
    native.captureBegin(device);
    const why = /not possible between captureBegin and captureEnd/;
    expect(() => native.captureBegin(device)).toThrow(why);
    expect(() => native.read(x)).toThrow(why);
    expect(() => native.write(x, new Float32Array(4))).toThrow(why);
    expect(() => native.maskWrite(mask, new Uint32Array(1))).toThrow(why);
    expect(() => native.synchronize(device)).toThrow(why);
    expect(() => native.replay(graph)).toThrow(why);
    native.captureEnd(device);
  });
});
