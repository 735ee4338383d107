import { expect, it } from 'vitest';
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
});
