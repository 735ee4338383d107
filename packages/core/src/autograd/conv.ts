import type { Parameter } from '../nn/parameter.js';
import { Tensor } from '../tensor/tensor.js';
import { inLayer } from './layer.js';
import { type Derivative, recordOp } from './tape.js';

export interface Conv2dGeometry {
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  /** Read the (perturbed) working weights or the master. Default true. */
  readonly training?: boolean;
}

/**
 * Masked 2-D convolution: x [N, C, H, W], w [O, C, kH, kW] -> [N, O, H', W'], H' = floor((H + 2p - kH) / s) + 1. Computes in the type
 * of x.
 */
export function conv2d(x: Tensor, w: Parameter, geometry: Conv2dGeometry): Tensor {
  const { native } = x.device;
  const [strideH, strideW] = geometry.stride;
  const [padH, padW] = geometry.padding;
  const weights = w.weights(geometry.training ?? true, x.dtype);
  const [, , h = 0, width = 0] = x.shape;
  const y = inLayer(x.device, w, () =>
    native.conv2d(x.handle, weights.handle, w.maskHandle, strideH, strideW, padH, padW),
  );
  const derivative: Derivative = (dy, sink) => {
    sink.parameter(w, (accumulate) => {
      const { gradientEverywhere: everywhere, gradient: dw } = w;
      native.conv2dBackwardWeight(
        x.handle,
        dy.handle,
        dw.handle,
        w.maskHandle,
        strideH,
        strideW,
        padH,
        padW,
        everywhere,
        accumulate,
      );
    });
    sink.tensor(x, (into) => {
      const target = into?.handle ?? 0;
      const dx = native.conv2dBackwardData(
        dy.handle,
        weights.handle,
        w.maskHandle,
        h,
        width,
        strideH,
        strideW,
        padH,
        padW,
        target,
      );
      return into ?? Tensor.adopt(x.device, dx);
    });
  };
  const layer: Derivative = (dy, sink) => inLayer(x.device, w, () => derivative(dy, sink));
  return recordOp(
    { kind: 'conv2d', stride: geometry.stride, padding: geometry.padding },
    Tensor.adopt(x.device, y),
    [x, w],
    layer,
  );
}
