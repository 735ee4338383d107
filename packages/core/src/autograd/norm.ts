import type { BatchNorm2d, BatchNormApply } from '../nn/layers.js';
import { Tensor } from '../tensor/tensor.js';
import { decisions } from './decisions.js';
import { relu } from './elementwise.js';
import { inLayer } from './layer.js';
import { type Derivative, recordOp } from './tape.js';

/**
 * relu?(gamma * (x - mean) / sqrt(var + eps) + beta + residual?), with the statistics of the batch in training (Ioffe & Szegedy 2015)
 * and the running ones in evaluation.
 */
export function batchNorm(x: Tensor, bn: BatchNorm2d, options: BatchNormApply = {}): Tensor {
  const { native } = x.device;
  const { relu: rectify = false, residual } = options;
  // The decisions of a ReLU can only be noted where it is an op of its own.
  if (rectify && decisions() !== undefined) return relu(batchNorm(x, bn, { ...options, relu: false }));
  const { training, eps } = bn;
  const gamma = bn.weight.weights(training).handle;
  const beta = bn.bias.weights(training).handle;
  const added = residual?.handle ?? 0;
  const mean = bn.running_mean.tensor.handle;
  const variance = bn.running_var.tensor.handle;
  const update = bn.updateStatistics;
  const outputs = inLayer(x.device, bn.weight, () =>
    training
      ? native.batchNormTrain(
          x.handle,
          gamma,
          beta,
          added,
          update ? mean : 0,
          update ? variance : 0,
          eps,
          bn.momentum,
          rectify,
        )
      : native.batchNormEval(x.handle, gamma, beta, added, mean, variance, eps, rectify),
  );
  const adopt = (handle: number): Tensor => Tensor.adopt(x.device, handle);
  const [y, savedMean, savedInvStd] = outputs.slice(0, 3).map(adopt) as [Tensor, Tensor, Tensor];
  const passed = outputs[3] === 0 ? undefined : adopt(outputs[3]);
  const inputs = [x, bn.weight, bn.bias, ...(residual === undefined ? [] : [residual])];
  const saved = passed === undefined ? [savedMean, savedInvStd] : [savedMean, savedInvStd, passed];
  const derivative: Derivative = (dy, sink) => {
    const wantResidual = residual !== undefined && sink.needs(residual);
    let dx = 0;
    let dresidual = 0;
    sink.parameter(bn.bias, () => undefined);
    sink.parameter(bn.weight, (accumulate) => {
      [dx, dresidual] = native.batchNormBackward(
        dy.handle,
        x.handle,
        y.handle,
        passed?.handle ?? 0,
        gamma,
        savedMean.handle,
        savedInvStd.handle,
        bn.weight.gradient.handle,
        bn.bias.gradient.handle,
        rectify,
        training,
        accumulate,
        wantResidual,
      );
    });
    const dxTensor = Tensor.adopt(x.device, dx);
    if (sink.needs(x)) sink.tensor(x, () => dxTensor);
    else dxTensor.dispose();
    if (wantResidual) sink.tensor(residual, () => Tensor.adopt(x.device, dresidual));
  };
  const layer: Derivative = (dy, sink) => inLayer(x.device, bn.weight, () => derivative(dy, sink));
  return recordOp({ kind: 'batchNorm', norm: bn, relu: rectify }, y, inputs, layer, saved);
}
