import type { Device } from '../device/device.js';
import type { Parameter } from '../nn/parameter.js';

/** Runs ops under the name of the layer whose weight this is (`layer1.0.conv1`), which profiles show. */
export function inLayer<T>(device: Device, weight: Parameter, body: () => T): T {
  const { native, handle } = device;
  native.label(handle, weight.name.replace(/\.weight$/, ''));
  try {
    return body();
  } finally {
    native.label(handle, '');
  }
}
