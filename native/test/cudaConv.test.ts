import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DeviceHandle, FloatName, NativeBinding, TensorHandle } from '../lib/binding.js';
import { type Case, convolution, outputSize, plus, type Sums, worstError } from './support/convolution.js';
import { emulatedMissing, loadEmulated } from './support/emulated.js';

const shape = (
  [n, c, h, w]: [number, number, number, number],
  o: number,
  kernel: [number, number],
  stride: [number, number] = [1, 1],
  pad: [number, number] = [0, 0],
): Case => ({ n, c, h, w, o, kernel, stride, pad });

const cases: Case[] = [
  shape([2, 5, 7, 9], 3, [3, 3], [1, 1], [1, 1]),
  shape([3, 3, 17, 13], 20, [7, 7], [2, 2], [3, 3]),
  shape([1, 16, 8, 8], 32, [1, 1], [2, 2]),
  shape([2, 70, 3, 5], 67, [1, 1]),
  shape([2, 24, 9, 6], 17, [3, 2], [2, 1], [0, 2]),
  shape([4, 16, 8, 8], 16, [3, 3], [1, 1], [1, 1]),
  shape([1, 1, 11, 11], 1, [11, 11], [3, 3], [5, 5]),
  shape([2, 8, 5, 7], 16, [1, 1], [1, 1], [1, 1]),
];

const products: Case[] = [shape([2, 70, 3, 5], 67, [1, 1]), shape([3, 8, 12, 12], 8, [1, 1])];

/** Those with an engine of this kind. */
const casesOf = (engine: string) => (engine === 'gemm' || engine === 'sparse' ? products : cases);

const engines = ['direct', 'gemm', 'cudnn', 'sparse', ''];
const dtypes: { images: FloatName; weights: FloatName }[] = [
  { images: 'f32', weights: 'f32' },
  { images: 'f16', weights: 'f32' },
  { images: 'f16', weights: 'f16' },
  { images: 'bf16', weights: 'f32' },
  { images: 'bf16', weights: 'bf16' },
];
/** Parts of the sum of absolute values: rounding of the result, in 16 bit also of weights and of what a library gives back. */
const tolerance = { f32: 2e-6, f16: 1.2e-3, bf16: 1e-2 };

describe.skipIf(emulatedMissing !== '')(
  `convolutions on CUDA${emulatedMissing && ` (skipped: ${emulatedMissing})`}`,
  () => {
    const native: NativeBinding =
      emulatedMissing === '' ? loadEmulated(['cublas', 'cudnn', 'cusparse', 'nvJitLink']) : ({} as NativeBinding);
    const cache = mkdtempSync(join(tmpdir(), 's2sam-choices-'));
    let device: DeviceHandle;
    let seed = 0;

    beforeEach(() => vi.stubEnv('S2SAM_CACHE', cache));
    afterEach(() => {
      native.closeDevice(device);
      vi.unstubAllEnvs();
    });
    afterAll(() => rmSync(cache, { recursive: true }));

    function open(engine: string) {
      vi.stubEnv('S2SAM_CUDA_CONV', engine);
      device = native.openDevice(0, 0);
    }

    /** Random numbers that the type holds exactly. */
    async function random(dtype: FloatName, extents: number[]): Promise<[TensorHandle, Float32Array]> {
      const plain = native.create(device, 'f32', extents, false);
      native.randomUniform(plain, ++seed, 0, -1, 1);
      const tensor = native.cast(plain, dtype);
      return [tensor, (await native.read(tensor)) as Float32Array];
    }

    function image(tensor: TensorHandle): TensorHandle {
      const result = native.create(device, native.dtype(tensor) as FloatName, native.shape(tensor), true);
      native.copy(tensor, result);
      return result;
    }

    /** Every pass of one convolution, run by `steps`, against the definition. */
    async function check(s: Case, { images, weights }: (typeof dtypes)[number], steps: (run: () => void) => void) {
      const wShape = [s.o, s.c, ...s.kernel];
      const geometry = [...s.stride, ...s.pad] as const;
      const [xPlain, x] = await random(images, [s.n, s.c, s.h, s.w]);
      const [gradient, dy] = await random(images, [s.n, s.o, ...outputSize(s)]);
      const [before, dx0] = await random(images, [s.n, s.c, s.h, s.w]);
      const [dense] = await random(weights, wShape);
      const [dw, dw0] = await random('f32', wShape);
      const [dwAdded] = [native.cast(dw, 'f32')];
      const everywhere = native.create(device, 'f32', wShape, false);
      const count = wShape.reduce((a, b) => a * b);
      const bits = native.create(device, 'u32', [Math.ceil(count / 32)], false);
      const mask = native.createMask(bits, wShape);
      const words = Uint32Array.from({ length: Math.ceil(count / 32) }, (_, i) => (0x9e3779b9 * (i + 1)) >>> 0);
      if (count % 32 > 0) words[words.length - 1] = (words[words.length - 1] ?? 0) & (2 ** (count % 32) - 1);
      native.maskWrite(mask, words);
      const kept = (i: number) => (((words[i >> 5] ?? 0) >>> (i & 31)) & 1) === 1;
      const w = ((await native.read(dense)) as Float32Array).map((value, i) => (kept(i) ? value : 0));
      native.write(dense, w);

      const xImage = image(xPlain);
      const dyImage = image(gradient);
      const into = image(before);
      const results: TensorHandle[] = [];
      steps(() => {
        results.push(native.conv2d(xImage, dense, mask, ...geometry));
        results.push(native.conv2dBackwardData(dyImage, dense, mask, s.h, s.w, ...geometry, 0));
        native.conv2dBackwardData(dyImage, dense, mask, s.h, s.w, ...geometry, into);
        native.conv2dBackwardWeight(xImage, dyImage, dw, mask, ...geometry, false, false);
        native.conv2dBackwardWeight(xImage, dyImage, dwAdded, mask, ...geometry, false, true);
        native.conv2dBackwardWeight(xImage, dyImage, everywhere, mask, ...geometry, true, false);
      });
      const [y = 0, dx = 0] = results;

      const expected = convolution(s, x, w, dy);
      const atKept = (sums: Sums): Sums => ({
        value: sums.value.map((value, i) => (kept(i) ? value : (dw0[i] ?? 0))),
        size: sums.size.map((size, i) => (kept(i) ? size : 0)),
      });
      const errors = {
        y: worstError(await native.read(y), expected.y),
        dx: worstError(await native.read(dx), expected.dx),
        'dx added': worstError(await native.read(into), plus(expected.dx, dx0)),
        dw: worstError(await native.read(dw), atKept(expected.dw)),
        'dw added': worstError(await native.read(dwAdded), atKept(plus(expected.dw, dw0))),
        'dw everywhere': worstError(await native.read(everywhere), expected.dw),
      };
      for (const [name, error] of Object.entries(errors)) expect(error, name).toBeLessThan(tolerance[images]);
    }

    for (const engine of engines) {
      for (const types of dtypes) {
        const title = `${engine || 'the fastest engine'} computes every pass of ${types.images} images and ${types.weights} weights`;
        it(title, async () => {
          open(engine);
          for (const s of casesOf(engine)) await check(s, types, (run) => run());
        });
      }

      it(`${engine || 'the fastest engine'} computes in a recorded step that is the first to need it`, async () => {
        open(engine);
        for (const s of casesOf(engine).slice(0, 4)) {
          await check(s, { images: 'bf16', weights: 'f32' }, (run) => {
            native.captureBegin(device);
            run();
            native.replay(native.captureEnd(device));
          });
        }
      });

      it(`${engine || 'the fastest engine'} computes linear layers`, async () => {
        open(engine);
        for (const dtype of ['f32', 'bf16'] as const) {
          const s = shape([33, 65, 1, 1], 10, [1, 1]);
          const [x, xValues] = await random(dtype, [s.n, s.c]);
          const [w, wValues] = await random(dtype, [s.o, s.c]);
          const [dy, dyValues] = await random(dtype, [s.n, s.o]);
          const [bias, biasValues] = await random('f32', [s.o]);
          const dw = native.create(device, 'f32', [s.o, s.c], false);
          const db = native.create(device, 'f32', [s.o], false);
          const expected = convolution(s, xValues, wValues, dyValues);
          const biases = Float32Array.from(dyValues, (_, i) => biasValues[i % s.o] ?? 0);
          const columns: Sums = { value: new Float64Array(s.o), size: new Float64Array(s.o).fill(s.n) };
          dyValues.forEach((value, i) => {
            columns.value[i % s.o] = (columns.value[i % s.o] ?? 0) + value;
          });
          native.linearBackwardWeight(x, dy, dw, 0, true, false);
          native.linearBackwardBias(dy, db, false);
          const y = native.linear(x, w, 0, bias);
          const dx = native.linearBackwardData(dy, w, 0, 0);
          expect(worstError(await native.read(y), plus(expected.y, biases)), 'y').toBeLessThan(tolerance[dtype]);
          expect(worstError(await native.read(dx), expected.dx), 'dx').toBeLessThan(tolerance[dtype]);
          expect(worstError(await native.read(dw), expected.dw), 'dw').toBeLessThan(tolerance.f32);
          expect(worstError(await native.read(db), columns), 'db').toBeLessThan(tolerance.f32);
        }
      });
    }

    it('is refused where S2SAM_CUDA_CONV names no engine', () => {
      open('fast');
      const x = native.create(device, 'f32', [1, 1, 1, 1], true);
      const w = native.create(device, 'f32', [1, 1, 1, 1], false);
      expect(() => native.conv2d(x, w, 0, 1, 1, 0, 0)).toThrow(/S2SAM_CUDA_CONV is "fast", but must be direct, gemm/);
    });

    describe('the choice of an engine', () => {
      const one = shape([2, 8, 6, 6], 8, [3, 3], [1, 1], [1, 1]);
      const fresh = () => mkdtempSync(join(cache, 'own-'));
      const folderIn = (own: string) => join(own, 'convolutions', readdirSync(join(own, 'convolutions'))[0] ?? '');

      async function convolve(own: string, engine = '') {
        vi.stubEnv('S2SAM_CACHE', own);
        open(engine);
        await check(one, { images: 'f16', weights: 'f16' }, (run) => run());
        native.closeDevice(device);
      }

      it('is remembered in one file per problem, with no other file left', async () => {
        const own = fresh();
        await convolve(own);
        const files = readdirSync(folderIn(own));
        // forward, data and weight; adding and not; at kept positions and everywhere
        expect(files).toHaveLength(6);
        expect(files).toContain('forward-f16-f16-n2c8h6w6-o8h6w6-k3x3-s1x1-p1x1');
        for (const name of files) {
          expect(readFileSync(join(folderIn(own), name), 'utf8')).toMatch(/^(direct|cudnn:c8o8:\d+\(\))\n$/);
        }
      });

      it('is taken from there', async () => {
        const own = fresh();
        await convolve(own);
        const file = join(folderIn(own), 'forward-f16-f16-n2c8h6w6-o8h6w6-k3x3-s1x1-p1x1');
        writeFileSync(file, 'direct\n');
        await convolve(own);
        expect(readFileSync(file, 'utf8')).toBe('direct\n');
      });

      it('is made anew where the file is damaged or names an engine that is not there', async () => {
        const own = fresh();
        await convolve(own);
        const file = join(folderIn(own), 'forward-f16-f16-n2c8h6w6-o8h6w6-k3x3-s1x1-p1x1');
        const chosen = readFileSync(file, 'utf8');
        for (const damaged of ['', 'cudnn:c8o8:999()\n', '\0\0\0', 'x'.repeat(10_000)]) {
          writeFileSync(file, damaged);
          await convolve(own);
          expect(readFileSync(file, 'utf8')).toBe(chosen);
        }
      });

      it('does without a folder that cannot be written', async () => {
        const own = fresh();
        writeFileSync(join(own, 'convolutions'), 'a file, not a folder');
        await convolve(own);
        expect(readdirSync(own)).toEqual(['convolutions']);
      });

      it('is not remembered where the kind is prescribed', async () => {
        const own = fresh();
        mkdirSync(own, { recursive: true });
        await convolve(own, 'cudnn');
        expect(readdirSync(own)).toEqual([]);
      });
    });
  },
);
