import { Tensor } from '../tensor/tensor.js';
import { record } from './tape.js';

export interface PoolOptions {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
}

/** Largest value of each window; padding never wins, ties go to the first tap. x [N, C, H, W] -> [N, C, H', W']. */
export function maxPool2d(x: Tensor, { kernel, stride, padding }: PoolOptions): Tensor {
  const { native } = x.device;
  const [, , h = 0, w = 0] = x.shape;
  const [yHandle, argmaxHandle] = native.maxPool(x.handle, ...kernel, ...stride, ...padding);
  const argmax = Tensor.adopt(x.device, argmaxHandle);
  const backward = (dy: Tensor): Tensor =>
    Tensor.adopt(x.device, native.maxPoolBackward(dy.handle, argmax.handle, h, w, ...kernel, ...stride, ...padding));
  return record(Tensor.adopt(x.device, yHandle), [x], (dy, sink) => sink.tensor(x, () => backward(dy)), [argmax]);
}

/** Mean of each window, padding counted as zeros (PyTorch's default). x [N, C, H, W] -> [N, C, H', W']. */
export function avgPool2d(x: Tensor, { kernel, stride, padding }: PoolOptions): Tensor {
  const { native } = x.device;
  const [, , h = 0, w = 0] = x.shape;
  const y = native.avgPool(x.handle, ...kernel, ...stride, ...padding);
  const backward = (dy: Tensor): Tensor =>
    Tensor.adopt(x.device, native.avgPoolBackward(dy.handle, h, w, ...kernel, ...stride, ...padding));
  return record(Tensor.adopt(x.device, y), [x], (dy, sink) => sink.tensor(x, () => backward(dy)));
}

/** Mean of each plane: x [N, C, H, W] -> [N, C]. */
export function globalAvgPool(x: Tensor): Tensor {
  const { native } = x.device;
  const [, , h = 0, w = 0] = x.shape;
  const backward = (dy: Tensor): Tensor => Tensor.adopt(x.device, native.globalAvgPoolBackward(dy.handle, h, w));
  const y = Tensor.adopt(x.device, native.globalAvgPool(x.handle));
  return record(y, [x], (dy, sink) => sink.tensor(x, () => backward(dy)));
}
