import { expect, it } from 'vitest';
import { keyOf, normal } from '../support/counter.js';
import { eachDevice } from '../support/devices.js';
import { golden } from '../support/golden.js';
import { Handles } from '../support/handles.js';
import '../support/matchers.js';

eachDevice('batch norm', (device) => {
  const { native } = device;

  it.each(golden('batch_norm'))('$name', async (example) => {
    using handles = new Handles(device);
    const { training, residual, relu, eps, momentum } = example.params;
    const x = handles.image(example.f32('x'));
    const dy = handles.image(example.f32('dy'));
    const [gamma, beta, mean, variance] = ['gamma', 'beta', 'running_mean', 'running_var'].map((name) =>
      handles.tensor(example.f32(name)),
    ) as [number, number, number, number];
    const added = residual ? handles.image(example.f32('residual')) : 0;

    const outputs = training
      ? native.batchNormTrain(x, gamma, beta, added, mean, variance, eps, momentum, relu)
      : native.batchNormEval(x, gamma, beta, added, mean, variance, eps, relu);
    const [y, savedMean, savedInvStd, passed] = outputs.map((handle) => handles.own(handle)) as [
      number,
      number,
      number,
      number,
    ];
    expect(await native.read(y)).toBeCloseToTensor(example.output('y'));
    if (training) {
      expect(await native.read(mean)).toBeCloseToTensor(example.output('running_mean_after'));
      expect(await native.read(variance)).toBeCloseToTensor(example.output('running_var_after'));
    } else {
      expect(await native.read(mean)).toEqual(example.f32('running_mean').data);
    }

    const channels = example.output('dgamma').shape;
    const [dgamma, dbeta] = [handles.filled(channels, 5), handles.filled(channels, 5)];
    for (const accumulate of [false, true]) {
      const [dx, dresidual] = native.batchNormBackward(
        dy,
        x,
        y,
        passed,
        gamma,
        savedMean,
        savedInvStd,
        dgamma,
        dbeta,
        relu,
        training,
        accumulate,
        residual,
      );
      expect(await handles.read(dx)).toBeCloseToTensor(example.output('dx'));
      if (residual) expect(await handles.read(dresidual)).toBeCloseToTensor(example.output('dresidual'));
      else expect(dresidual).toBe(0);
      const times = accumulate ? 2 : 1;
      expect((await native.read(dgamma)).map((v) => v / times)).toBeCloseToTensor(example.output('dgamma'));
      expect((await native.read(dbeta)).map((v) => v / times)).toBeCloseToTensor(example.output('dbeta'));
    }
  });

  it.each(
    golden('batch_norm')
      .filter(({ params }) => params.training)
      .slice(0, 1),
  )('without running statistics $name', async (example) => {
    using handles = new Handles(device);
    const { residual, relu, eps, momentum } = example.params;
    const [x, added] = [handles.image(example.f32('x')), residual ? handles.image(example.f32('residual')) : 0];
    const [gamma, beta] = [handles.tensor(example.f32('gamma')), handles.tensor(example.f32('beta'))];
    const [y, ...saved] = native.batchNormTrain(x, gamma, beta, added, 0, 0, eps, momentum, relu);
    for (const handle of saved) handles.own(handle);
    expect(await handles.read(y)).toBeCloseToTensor(example.output('y'));
  });

  // A mean that dwarfs the deviations, by itself and behind a first pixel far from it (a black corner).
  it.each([undefined, 0])('statistics of large values keep their precision (first pixel %s)', async (corner) => {
    using handles = new Handles(device);
    const shape = [6, 5, 9, 7] as const;
    const [channels, pixels] = [shape[1], shape[2] * shape[3]];
    const data = normal(
      keyOf(3, 'norm/large'),
      shape.reduce((product: number, extent) => product * extent, 1),
      1000,
      0.1,
    );
    if (corner !== undefined) for (let c = 0; c < channels; c++) data[c * pixels] = corner;
    const [ones, zeros] = [handles.filled([channels], 1), handles.filled([channels], 0)];
    const outputs = native.batchNormTrain(handles.image({ shape, data }), ones, zeros, 0, 0, 0, 1e-8, 0.1, false);
    const [y, mean, invStd] = await Promise.all(outputs.slice(0, 3).map((handle) => handles.read(handle)));

    for (let c = 0; c < channels; c++) {
      const where = [...data.keys()].filter((i) => Math.floor(i / pixels) % channels === c);
      const average = where.reduce((sum, i) => sum + (data[i] as number), 0) / where.length;
      const deviations = where.map((i) => (data[i] as number) - average);
      const std = Math.sqrt(deviations.reduce((sum, d) => sum + d * d, 0) / where.length + 1e-8);
      expect(Math.abs((mean?.[c] as number) / average - 1)).toBeLessThan(1e-6);
      expect(Math.abs((invStd?.[c] as number) * std - 1)).toBeLessThan(1e-4);
      // The mean is stored in f32, whose steps are 6e-5 here.
      where.forEach((i, k) => {
        expect(Math.abs((y?.[i] as number) - (deviations[k] as number) / std)).toBeLessThan(1e-4 / std + 1e-3);
      });
    }
  });

  it('backward may read y in place of what passed', async () => {
    using handles = new Handles(device);
    const shape = [3, 5, 4, 3];
    const image = (name: string) => handles.image({ shape, data: normal(keyOf(4, `norm/${name}`), 180, 0, 1) });
    const [x, dy, residual] = [image('x'), image('dy'), image('residual')];
    const [ones, zeros] = [handles.filled([5], 1), handles.filled([5], 0)];
    const outputs = native.batchNormTrain(x, ones, zeros, residual, 0, 0, 1e-5, 0.1, true);
    const [y, mean, invStd, passed] = outputs.map((handle) => handles.own(handle)) as [number, number, number, number];
    const backward = async (noted: number) => {
      const [dgamma, dbeta] = [handles.filled([5], 0), handles.filled([5], 0)];
      const gradients = native.batchNormBackward(
        dy,
        x,
        y,
        noted,
        ones,
        mean,
        invStd,
        dgamma,
        dbeta,
        true,
        true,
        false,
        true,
      );
      for (const gradient of gradients) handles.own(gradient);
      return await Promise.all([...gradients, dgamma, dbeta].map((handle) => native.read(handle)));
    };
    expect(await backward(0)).toEqual(await backward(passed));
  });

  // More than a thread loads at once, and some left over, where one takes eight neighbouring channels.
  it('sums over many pixels', async () => {
    using handles = new Handles(device);
    const shape = [5, 16, 41, 53] as const;
    const [channels, pixels] = [shape[1], shape[2] * shape[3]];
    const [data, slopes] = ['x', 'dy'].map((name) =>
      normal(keyOf(6, `norm/many/${name}`), shape[0] * channels * pixels, 1, 2),
    ) as [Float32Array, Float32Array];
    const [x, dy] = [handles.image({ shape, data }), handles.image({ shape, data: slopes })];
    const [ones, zeros] = [handles.filled([channels], 1), handles.filled([channels], 0)];
    const outputs = native.batchNormTrain(x, ones, zeros, 0, 0, 0, 1e-5, 0.1, false);
    const [y, mean, invStd, passed] = outputs.map((handle) => handles.own(handle)) as [number, number, number, number];
    const [dgamma, dbeta] = [handles.filled([channels], 0), handles.filled([channels], 0)];
    const gradients = native.batchNormBackward(
      dy,
      x,
      y,
      passed,
      ones,
      mean,
      invStd,
      dgamma,
      dbeta,
      false,
      true,
      false,
      false,
    );
    for (const gradient of gradients) handles.own(gradient);

    const wanted = { mean: [] as number[], invStd: [] as number[], dgamma: [] as number[], dbeta: [] as number[] };
    for (let c = 0; c < channels; c++) {
      const where = [...data.keys()].filter((i) => Math.floor(i / pixels) % channels === c);
      const total = (of: (i: number) => number) => where.reduce((sum, i) => sum + of(i), 0);
      const average = total((i) => data[i] as number) / where.length;
      const inverse = 1 / Math.sqrt(total((i) => ((data[i] as number) - average) ** 2) / where.length + 1e-5);
      wanted.mean.push(average);
      wanted.invStd.push(inverse);
      wanted.dgamma.push(total((i) => (slopes[i] as number) * ((data[i] as number) - average) * inverse));
      wanted.dbeta.push(total((i) => slopes[i] as number));
    }
    const close = async (handle: number, values: number[]) => {
      const got = (await native.read(handle)) as Float32Array;
      const largest = Math.max(...values.map(Math.abs));
      for (const [c, value] of values.entries()) {
        expect(Math.abs((got[c] as number) - value)).toBeLessThan(1e-5 * largest);
      }
    };
    await close(mean, wanted.mean);
    await close(invStd, wanted.invStd);
    await close(dgamma, wanted.dgamma);
    await close(dbeta, wanted.dbeta);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])(
    'spreads %s over its channel and no other, as PyTorch',
    async (odd) => {
      using handles = new Handles(device);
      const values = normal(keyOf(6, 'x'), 4 * 2 * 3 * 3, 0, 1);
      values[2] = odd; // of channel 0
      const x = handles.image({ data: values, shape: [4, 2, 3, 3] });
      const [gamma, beta, mean, variance] = [1, 0, 0, 1].map((value) => handles.filled([2], value)) as [
        number,
        number,
        number,
        number,
      ];
      const outputs = native.batchNormTrain(x, gamma, beta, 0, mean, variance, 1e-5, 0.1, false);
      const y = (await native.read(outputs.map((handle) => handles.own(handle))[0] as number)) as Float32Array;
      const ofChannel = (channel: number) => y.filter((_, i) => Math.floor(i / 9) % 2 === channel);
      expect(ofChannel(0).every(Number.isNaN)).toBe(true);
      expect(ofChannel(1).every(Number.isFinite)).toBe(true);
      const running = (await native.read(variance)) as Float32Array;
      expect([...running].map(Number.isFinite)).toEqual([false, true]);
    },
  );
});
