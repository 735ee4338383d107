import { Conv2d, type Device, initialize, philox, scope, type Tensor } from '@s2sam/core';

export interface SelfTest {
  /** Largest difference between the device's convolution and plain arithmetic, relative to the largest value. */
  readonly error: number;
  readonly passed: boolean;
  /** Speed of a dense 3 x 3 convolution, two operations per multiply-add. */
  readonly gflops: number;
}

const TOLERANCE = 1e-5;

/** Reproducible numbers in [-1, 1). */
const noise = (size: number): Float32Array =>
  Float32Array.from({ length: size }, (_, index) => philox([1, 2], index)[0] / 2 ** 31 - 1);

/** y[n,o] = sum over i of x[n,i] (*) w[o,i], 3 x 3 with padding 1, as the definition says. */
export function plainConv(
  x: ArrayLike<number>,
  w: ArrayLike<number>,
  [n, c, h, width, o]: readonly number[],
): Float64Array {
  const [N, C, H, W, O] = [n ?? 0, c ?? 0, h ?? 0, width ?? 0, o ?? 0];
  const y = new Float64Array(N * O * H * W);
  const pixel = (image: number, channel: number, row: number, column: number): number =>
    row < 0 || row >= H || column < 0 || column >= W ? 0 : (x[((image * C + channel) * H + row) * W + column] ?? 0);
  y.forEach((_, index) => {
    const [column, row] = [index % W, Math.floor(index / W) % H];
    const [out, image] = [Math.floor(index / (W * H)) % O, Math.floor(index / (W * H * O))];
    for (let channel = 0; channel < C; channel++) {
      for (let k = 0; k < 9; k++) {
        const weight = w[(out * C + channel) * 9 + k] ?? 0;
        y[index] = (y[index] ?? 0) + weight * pixel(image, channel, row + Math.floor(k / 3) - 1, column + (k % 3) - 1);
      }
    }
  });
  return y;
}

async function difference(device: Device): Promise<number> {
  const [n, c, h, w, o] = [3, 5, 6, 7, 4];
  using layer = initialize(new Conv2d(c, o, { kernel: 3, padding: 1 }), { device, seed: 1 });
  const images = noise(n * c * h * w);
  using x = device.tensor(images, [n, c, h, w]);
  using y = layer.eval().forward(x);
  const expected = plainConv(images, await layer.weight.value.toArray(), [n, c, h, w, o]);
  const found = await y.toArray();
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const errors = expected.map((value, index) => Math.abs(value - (found[index] ?? Number.NaN)));
  // A NaN must count as a failure, so no Math.max over the errors alone.
  return errors.some(Number.isNaN) ? Number.POSITIVE_INFINITY : Math.max(...errors) / largest;
}

async function speed(device: Device, seconds: number): Promise<number> {
  const [n, c, side] = [64, 64, 16];
  using layer = initialize(new Conv2d(c, c, { kernel: 3, padding: 1 }), { device, seed: 1 });
  using x = device.zeros([n, c, side, side]);
  const run = (): Tensor => layer.eval().forward(x);
  scope(() => void run());
  await device.synchronize();
  let calls = 0;
  const begin = performance.now();
  while (performance.now() - begin < 1000 * seconds) {
    for (let i = 0; i < 4; i++) scope(() => void run());
    await device.synchronize();
    calls += 4;
  }
  return (calls * 2 * n * c * c * 9 * side * side) / (1e6 * (performance.now() - begin));
}

/** About one second: is a small convolution right, and how fast is a usual one? */
export async function selfTest(device: Device): Promise<SelfTest> {
  const error = await difference(device);
  return { error, passed: error <= TOLERANCE, gflops: await speed(device, 0.7) };
}
