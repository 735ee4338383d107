import { Tensor } from '../tensor/tensor.js';
import { decisions } from './decisions.js';
import { mul, scaleShift } from './elementwise.js';
import { recordOp } from './tape.js';

export interface PoolOptions {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
}

/** Largest value of each window; padding never wins, ties go to the first tap. x [N, C, H, W] -> [N, C, H', W']. */
export function maxPool2d(x: Tensor, options: PoolOptions): Tensor {
  const { kernel, stride, padding } = options;
  const { native } = x.device;
  const fixed = decisions();
  if (fixed !== undefined && tiles(options)) {
    const winners = fixed.gate(() => winnersOf(x, options));
    return scaleShift(avgPool2d(mul(x, winners), options), kernel[0] * kernel[1]);
  }
  const [, , h = 0, w = 0] = x.shape;
  const [yHandle, argmaxHandle] = native.maxPool(x.handle, ...kernel, ...stride, ...padding);
  const argmax = Tensor.adopt(x.device, argmaxHandle);
  const backward = (dy: Tensor): Tensor =>
    Tensor.adopt(x.device, native.maxPoolBackward(dy.handle, argmax.handle, h, w, ...kernel, ...stride, ...padding));
  return recordOp(
    { kind: 'maxPool', kernel, stride, padding },
    Tensor.adopt(x.device, yHandle),
    [x],
    (dy, sink) => sink.tensor(x, () => backward(dy)),
    [argmax],
  );
}

/** Whether windows neither overlap nor reach over the edge: only then is a pixel the winner of all its windows or of none. */
const tiles = ({ kernel, stride, padding }: PoolOptions): boolean =>
  kernel[0] === stride[0] && kernel[1] === stride[1] && padding[0] === 0 && padding[1] === 0;

/** 1 at the largest pixel of each window, else 0. */
function winnersOf(x: Tensor, { kernel, stride, padding }: PoolOptions): Tensor {
  const { native } = x.device;
  const [, , h = 0, w = 0] = x.shape;
  const [yHandle, argmaxHandle] = native.maxPool(x.handle, ...kernel, ...stride, ...padding);
  using y = Tensor.adopt(x.device, yHandle);
  using argmax = Tensor.adopt(x.device, argmaxHandle);
  using ones = Tensor.adopt(x.device, native.affine(y.handle, 0, 1));
  return Tensor.adopt(
    x.device,
    native.maxPoolBackward(ones.handle, argmax.handle, h, w, ...kernel, ...stride, ...padding),
  );
}

/** Mean of each window, padding counted as zeros (PyTorch's default). x [N, C, H, W] -> [N, C, H', W']. */
export function avgPool2d(x: Tensor, { kernel, stride, padding }: PoolOptions): Tensor {
  const { native } = x.device;
  const [, , h = 0, w = 0] = x.shape;
  const y = native.avgPool(x.handle, ...kernel, ...stride, ...padding);
  const backward = (dy: Tensor): Tensor =>
    Tensor.adopt(x.device, native.avgPoolBackward(dy.handle, h, w, ...kernel, ...stride, ...padding));
  return recordOp({ kind: 'avgPool', kernel, stride, padding }, Tensor.adopt(x.device, y), [x], (dy, sink) =>
    sink.tensor(x, () => backward(dy)),
  );
}

/** Mean of each plane: x [N, C, H, W] -> [N, C]. */
export function globalAvgPool(x: Tensor): Tensor {
  const { native } = x.device;
  const [, , h = 0, w = 0] = x.shape;
  const backward = (dy: Tensor): Tensor => Tensor.adopt(x.device, native.globalAvgPoolBackward(dy.handle, h, w));
  const y = Tensor.adopt(x.device, native.globalAvgPool(x.handle));
  return recordOp({ kind: 'globalAvgPool' }, y, [x], (dy, sink) => sink.tensor(x, () => backward(dy)));
}
