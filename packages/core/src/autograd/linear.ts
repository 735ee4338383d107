import type { Parameter } from '../nn/parameter.js';
import { Tensor } from '../tensor/tensor.js';
import { inLayer } from './layer.js';
import { type Derivative, recordOp } from './tape.js';

/** y = x w^T + bias: x [N, I], w [O, I], bias [O] -> [N, O], in the type of x. */
export function linear(x: Tensor, w: Parameter, bias: Parameter, options: { training?: boolean } = {}): Tensor {
  const { native } = x.device;
  const { training = true } = options;
  const weights = w.weights(training, x.dtype);
  const y = inLayer(x.device, w, () =>
    native.linear(x.handle, weights.handle, w.maskHandle, bias.weights(training).handle),
  );
  const derivative: Derivative = (dy, sink) => {
    sink.parameter(bias, (accumulate) => native.linearBackwardBias(dy.handle, bias.gradient.handle, accumulate));
    sink.parameter(w, (accumulate) => {
      const everywhere = w.gradientEverywhere;
      native.linearBackwardWeight(x.handle, dy.handle, w.gradient.handle, w.maskHandle, everywhere, accumulate);
    });
    sink.tensor(x, (into) => {
      const dx = native.linearBackwardData(dy.handle, weights.handle, w.maskHandle, into?.handle ?? 0);
      return into ?? Tensor.adopt(x.device, dx);
    });
  };
  const layer: Derivative = (dy, sink) => inLayer(x.device, w, () => derivative(dy, sink));
  return recordOp({ kind: 'linear' }, Tensor.adopt(x.device, y), [x, w, bias], layer);
}

/** Inner products of the rows of a plain x [N, I]: [N, N]. Has no derivative. */
export const gram = (x: Tensor): Tensor => Tensor.adopt(x.device, x.device.native.linear(x.handle, x.handle, 0, 0));
