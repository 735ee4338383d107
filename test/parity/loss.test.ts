import { expect, it } from 'vitest';
import { eachDevice } from '../support/devices.js';
import { golden } from '../support/golden.js';
import { Handles } from '../support/handles.js';
import '../support/matchers.js';

eachDevice('loss and metrics', (device) => {
  const { native } = device;

  it.each(golden('softmax_cross_entropy'))('softmax cross-entropy $name', async (example) => {
    using handles = new Handles(device);
    const { smoothing } = example.params;
    const labels = handles.tensor(example.input('labels'));
    const [loss, probabilities] = native.softmaxCrossEntropy(handles.tensor(example.f32('logits')), labels, smoothing);
    handles.own(probabilities);
    expect(await handles.read(loss)).toBeCloseToTensor(example.output('loss'));
    expect(await native.read(probabilities)).toBeCloseToTensor(example.output('probabilities'));
    const dloss = handles.tensor(example.f32('dloss'));
    const dlogits = native.softmaxCrossEntropyBackward(probabilities, labels, dloss, smoothing);
    expect(await handles.read(dlogits)).toBeCloseToTensor(example.output('dlogits'));
  });

  it.each(golden('top_k'))('top-k and count of correct $name', async (example) => {
    using handles = new Handles(device);
    const { k } = example.params;
    const x = handles.tensor(example.f32('x'));
    const [values, indices] = native.topK(x, k);
    expect(await handles.read(values)).toBeCloseToTensor(example.output('values'));
    expect(await handles.read(indices)).toBeCloseToTensor(example.output('indices'));
    const correct = native.countCorrect(x, handles.tensor(example.input('labels')), k);
    expect(await handles.read(correct)).toBeCloseToTensor(example.output('correct'));
  });

  it('a label out of range is reported at the next wait and leaves the device usable', async () => {
    using handles = new Handles(device);
    const logits = handles.f32([1, 2, 3, 4], [2, 2]);
    const labels = handles.tensor({ shape: [2], data: Int32Array.of(0, 2) });
    for (const handle of native.softmaxCrossEntropy(logits, labels, 0)) handles.own(handle);
    await expect(native.synchronize(device.handle)).rejects.toThrow(/label/);
    await expect(native.read(logits)).resolves.toEqual(Float32Array.of(1, 2, 3, 4));
  });
});
