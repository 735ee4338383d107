import { BinaryOp } from '@s2sam/native';
import type { BatchNorm2d, BatchNormApply } from '../nn/layers.js';
import type { Parameter } from '../nn/parameter.js';
import { Tensor } from '../tensor/tensor.js';
import { decisions } from './decisions.js';
import { relu } from './elementwise.js';
import { inLayer } from './layer.js';
import { copyOf, type Derivative, recordOp } from './tape.js';

/**
 * relu?(gamma * (x + inputBias? - mean) / sqrt(var + eps) + beta + residual?), with the statistics of the batch in training (Ioffe &
 * Szegedy 2015) and the running ones in evaluation.
 *
 * The mean of a batch contains `inputBias`, so in training it moves the running mean alone and its gradient is exactly zero.
 */
export function batchNorm(x: Tensor, bn: BatchNorm2d, options: BatchNormApply = {}): Tensor {
  const { native } = x.device;
  const { relu: rectify = false, residual, inputBias } = options;
  // The decisions of a ReLU can only be noted where it is an op of its own.
  if (rectify && decisions() !== undefined) return relu(batchNorm(x, bn, { ...options, relu: false }));
  const { training, eps } = bn;
  const gamma = bn.weight.weights(training).handle;
  const beta = bn.bias.weights(training).handle;
  const added = residual?.handle ?? 0;
  using meanOfX = inputBias === undefined || training ? undefined : difference(bn.running_mean.tensor, inputBias.value);
  const mean = (meanOfX ?? bn.running_mean.tensor).handle;
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
  if (inputBias !== undefined && training && update) {
    native.addInto(inputBias.weights(training).handle, bn.momentum, bn.running_mean.tensor.handle);
  }
  const adopt = (handle: number): Tensor => Tensor.adopt(x.device, handle);
  const [y, savedMean, savedInvStd] = outputs.slice(0, 3).map(adopt) as [Tensor, Tensor, Tensor];
  const passed = outputs[3] === 0 ? undefined : adopt(outputs[3]);
  const optional = [residual, inputBias].filter((input) => input !== undefined);
  const inputs = [x, bn.weight, bn.bias, ...optional];
  const saved = passed === undefined ? [savedMean, savedInvStd] : [savedMean, savedInvStd, passed];
  const derivative: Derivative = (dy, sink) => {
    const wantResidual = residual !== undefined && sink.needs(residual);
    let dx = 0;
    let dresidual = 0;
    sink.parameter(bn.bias, () => undefined);
    using shiftBefore = inputBias === undefined || training ? undefined : copyOf(bn.bias.gradient);
    sink.parameter(bn.weight, (accumulate) => {
      if (!accumulate) shiftBefore?.fill(0);
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
    if (inputBias !== undefined) {
      sink.parameter(inputBias, (accumulate) => {
        if (!accumulate) inputBias.gradient.fill(0);
        if (shiftBefore !== undefined) addBiasGradient(inputBias, bn, shiftBefore, savedInvStd);
      });
    }
    const dxTensor = Tensor.adopt(x.device, dx);
    if (sink.needs(x)) sink.tensor(x, () => dxTensor);
    else dxTensor.dispose();
    if (wantResidual) sink.tensor(residual, () => Tensor.adopt(x.device, dresidual));
  };
  const layer: Derivative = (dy, sink) => inLayer(x.device, bn.weight, () => derivative(dy, sink));
  const op = { kind: 'batchNorm', norm: bn, relu: rectify, ...(inputBias === undefined ? {} : { inputBias }) } as const;
  return recordOp(op, y, inputs, layer, saved);
}

const compute = (op: keyof typeof BinaryOp, a: Tensor, b: Tensor): Tensor =>
  Tensor.adopt(a.device, a.device.native.binary(BinaryOp[op], a.handle, b.handle));

const difference = (a: Tensor, b: Tensor): Tensor => compute('sub', a, b);

/** In evaluation: gamma / sqrt(var + eps) times what has come to the gradient of beta since it was `before`. */
function addBiasGradient(bias: Parameter, bn: BatchNorm2d, before: Tensor, invStd: Tensor): void {
  using added = difference(bn.bias.gradient, before);
  using scaled = compute('mul', added, invStd);
  using gradient = compute('mul', scaled, bn.weight.weights(false));
  gradient.device.native.addInto(gradient.handle, 1, bias.gradient.handle);
}
