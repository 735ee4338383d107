import type { Buffer } from '../nn/module.js';
import type { Parameter } from '../nn/parameter.js';

/** The weights that evaluation reads, f32, with exact zeros wherever the mask is 0. */
export async function maskedValues({ value, mask }: Parameter): Promise<Float32Array<ArrayBuffer>> {
  const [values, words] = await Promise.all([value.toArray() as Promise<Float32Array<ArrayBuffer>>, mask?.read()]);
  if (words === undefined) return values;
  for (let i = 0; i < values.length; i++) {
    if ((((words[i >>> 5] as number) >>> (i & 31)) & 1) === 0) values[i] = 0;
  }
  return values;
}

/** What a buffer holds, f32. */
export const bufferValues = ({ tensor }: Buffer): Promise<Float32Array<ArrayBuffer>> =>
  tensor.toArray() as Promise<Float32Array<ArrayBuffer>>;
