import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DeviceHandle, type DTypeName, loadCpu, S2Error, type TensorHandle } from '../lib/index.js';

const native = loadCpu();
let device: DeviceHandle;
beforeAll(() => {
  device = native.openDevice(0, 2);
});
afterAll(() => native.closeDevice(device));

const plain = (shape: number[], dtype: DTypeName = 'f32') => native.create(device, dtype, shape, false);
const image = (shape: number[]) => native.create(device, 'f32', shape, true);
const maskOver = (shape: number[]) =>
  native.createMask(plain([Math.ceil(shape.reduce((a, b) => a * b, 1) / 32)], 'u32'), shape);

describe('operands that do not go together', () => {
  const bn = (x: TensorHandle, per: TensorHandle, residual = 0) =>
    native.batchNormTrain(x, per, plain([3]), residual, 0, 0, 1e-5, 0.1, true);
  const step = (working: TensorHandle, bits: TensorHandle, segments: TensorHandle, decay: TensorHandle) => {
    const [a, b, c] = [plain([256]), plain([256]), plain([256])];
    native.optimizerStep(a, b, c, working, 0, bits, segments, decay, plain([8]), plain([8]), true, true, true);
  };
  const cases: [string, () => unknown, string, RegExp][] = [
    [
      'channels',
      () => native.conv2d(image([8, 3, 32, 32]), plain([16, 4, 3, 3]), 0, 1, 1, 1, 1),
      'ERR_SHAPE',
      /^conv2d: x \[8, 3, 32, 32\] has 3 channels but w \[16, 4, 3, 3\] expects 4$/,
    ],
    [
      'a kernel larger than the image',
      () => native.conv2d(image([1, 1, 2, 2]), plain([1, 1, 5, 5]), 0, 1, 1, 1, 1),
      'ERR_SHAPE',
      /kernel of w \[1, 1, 5, 5\] is larger than the images of x \[1, 1, 2, 2\]/,
    ],
    [
      'stride 0',
      () => native.conv2d(image([1, 1, 4, 4]), plain([1, 1, 3, 3]), 0, 0, 1, 1, 1),
      'ERR_ARGUMENT',
      /strideH is 0/,
    ],
    [
      'images that are plain',
      () => native.conv2d(plain([1, 1, 4, 4]), plain([1, 1, 3, 3]), 0, 1, 1, 1, 1),
      'ERR_ARGUMENT',
      /must be an activation/,
    ],
    [
      'images of rank 2',
      () => native.conv2d(plain([4, 4]), plain([1, 1, 3, 3]), 0, 1, 1, 1, 1),
      'ERR_SHAPE',
      /\[N, C, H, W\]/,
    ],
    [
      'weights of bytes',
      () => native.conv2d(image([1, 1, 4, 4]), plain([1, 1, 3, 3], 'u8'), 0, 1, 1, 1, 1),
      'ERR_DTYPE',
      /is u8, but must be f32/,
    ],
    [
      'weights in layout',
      () => native.conv2d(image([1, 1, 4, 4]), image([1, 1, 3, 3]), 0, 1, 1, 1, 1),
      'ERR_ARGUMENT',
      /must be plain/,
    ],
    [
      'a mask of another shape',
      () => native.conv2d(image([1, 1, 4, 4]), plain([1, 1, 3, 3]), maskOver([9]), 1, 1, 1, 1),
      'ERR_SHAPE',
      /mask \[9\]/,
    ],
    [
      'dy of the wrong size',
      () => native.conv2dBackwardData(image([1, 1, 4, 4]), plain([1, 1, 3, 3]), 0, 9, 9, 1, 1, 1, 1, 0),
      'ERR_SHAPE',
      /dy \[1, 1, 4, 4\] must be \[1, 1, 9, 9\]/,
    ],
    [
      'into of the wrong size',
      () =>
        native.conv2dBackwardData(image([1, 1, 4, 4]), plain([1, 1, 3, 3]), 0, 4, 4, 1, 1, 1, 1, image([1, 2, 4, 4])),
      'ERR_SHAPE',
      /into/,
    ],
    [
      'dw of the wrong size',
      () =>
        native.conv2dBackwardWeight(
          image([1, 2, 4, 4]),
          image([1, 3, 4, 4]),
          plain([3, 1, 3, 3]),
          0,
          1,
          1,
          1,
          1,
          true,
          false,
        ),
      'ERR_SHAPE',
      /channels/,
    ],
    [
      'features',
      () => native.linear(plain([2, 3]), plain([4, 5]), 0, 0),
      'ERR_SHAPE',
      /3 features but w \[4, 5\] expects 5/,
    ],
    [
      'a bias',
      () => native.linear(plain([2, 3]), plain([4, 3]), 0, plain([3])),
      'ERR_SHAPE',
      /bias \[3\] must be \[4\]/,
    ],
    ['columns', () => native.linearBackwardData(plain([2, 3]), plain([4, 3]), 0, 0), 'ERR_SHAPE', /outputs/],
    [
      'batch sizes',
      () => native.linearBackwardWeight(plain([2, 3]), plain([4, 3]), plain([3, 3]), 0, true, false),
      'ERR_SHAPE',
      /batch size/,
    ],
    ['a bias gradient', () => native.linearBackwardBias(plain([2, 3]), plain([2]), false), 'ERR_SHAPE', /columns/],
    ['gamma', () => bn(image([2, 3, 4, 4]), plain([4])), 'ERR_SHAPE', /gamma \[4\] must be \[3\]/],
    ['one value per channel', () => bn(image([1, 3, 1, 1]), plain([3])), 'ERR_SHAPE', /no variance/],
    ['a residual', () => bn(image([2, 3, 4, 4]), plain([3]), image([2, 3, 4, 5])), 'ERR_SHAPE', /residual/],
    [
      'half of the running statistics',
      () => native.batchNormTrain(image([2, 3, 4, 4]), plain([3]), plain([3]), 0, plain([3]), 0, 1e-5, 0.1, true),
      'ERR_ARGUMENT',
      /both/,
    ],
    [
      'eps 0',
      () => native.batchNormTrain(image([2, 3, 4, 4]), plain([3]), plain([3]), 0, 0, 0, 0, 0.1, true),
      'ERR_ARGUMENT',
      /eps/,
    ],
    [
      'a padding over half the window',
      () => native.maxPool(image([1, 1, 4, 4]), 2, 2, 2, 2, 2, 2),
      'ERR_ARGUMENT',
      /padding 2/,
    ],
    ['a window of 17 x 16', () => native.maxPool(image([1, 1, 32, 32]), 17, 16, 1, 1, 0, 0), 'ERR_ARGUMENT', /256/],
    [
      'an argmax of another pooling',
      () => native.maxPoolBackward(image([1, 1, 2, 2]), plain([16, 1, 2, 3], 'u8'), 4, 4, 2, 2, 2, 2, 0, 0),
      'ERR_SHAPE',
      /argmax/,
    ],
    [
      'labels',
      () => native.softmaxCrossEntropy(plain([4, 10]), plain([5], 'i32'), 0),
      'ERR_SHAPE',
      /labels \[5\] must be \[4\]/,
    ],
    ['labels of floats', () => native.softmaxCrossEntropy(plain([4, 10]), plain([4]), 0), 'ERR_DTYPE', /labels/],
    ['k over the classes', () => native.topK(plain([4, 10]), 11), 'ERR_ARGUMENT', /k 11 must be from 1 to 10/],
    [
      'smoothing 1',
      () => native.softmaxCrossEntropy(plain([4, 10]), plain([4], 'i32'), 1),
      'ERR_ARGUMENT',
      /smoothing/,
    ],
    [
      'images of floats',
      () =>
        native.augment(
          plain([5, 3, 4, 4]),
          plain([2], 'i32'),
          plain([1], 'i32'),
          plain([3]),
          plain([3]),
          0,
          false,
          0,
          0,
          'f32',
          0,
        ),
      'ERR_DTYPE',
      /images/,
    ],
    [
      'operands of other shapes',
      () => native.binary(0, plain([2, 3]), plain([3, 2])),
      'ERR_SHAPE',
      /a \[2, 3\] and b \[3, 2\]/,
    ],
    [
      'operands of other forms',
      () => native.binary(0, image([1, 1, 2, 2]), plain([1, 1, 2, 2])),
      'ERR_ARGUMENT',
      /a is an activation and b is plain/,
    ],
    ['integers', () => native.binary(0, plain([2], 'i32'), plain([2], 'i32')), 'ERR_DTYPE', /i32/],
    ['an unknown op code', () => native.reduce(6, plain([2])), 'ERR_ARGUMENT', /op is 6/],
    ['a scalar of two elements', () => native.scaleBy(plain([2]), plain([2])), 'ERR_SHAPE', /one element/],
    [
      'a 16-bit copy of f32',
      () => {
        const [a, b, c, d] = [plain([128]), plain([128]), plain([128]), plain([128])];
        native.perturb(a, b, c, d, plain([4], 'u32'), plain([8]), plain([8]), true, false);
      },
      'ERR_DTYPE',
      /compute \[128\] is f32, but must be f16 or bf16/,
    ],
    ['dtypes of a copy', () => native.copy(plain([2], 'i32'), plain([2])), 'ERR_DTYPE', /to \[2\]/],
    ['a view past the end', () => native.view(plain([6]), 3, [2, 2]), 'ERR_SHAPE', /reach past/],
    ['a view of an activation', () => native.view(image([1, 1, 2, 2]), 0, [4]), 'ERR_ARGUMENT', /plain/],
    ['an activation of bytes', () => native.create(device, 'u8', [1, 1, 2, 2], true), 'ERR_DTYPE', /f32/],
    ['an activation of rank 3', () => native.create(device, 'f32', [1, 2, 2], true), 'ERR_SHAPE', /\[N, C, H, W\]/],
    ['five extents', () => plain([1, 1, 1, 1, 1]), 'ERR_SHAPE', /at most 4/],
    ['an extent of 0', () => plain([2, 0]), 'ERR_SHAPE', /shape\[1\] is 0/],
    [
      'more elements than memory has',
      () => plain([2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1, 4]),
      'ERR_SHAPE',
      /more elements/,
    ],
    ['an unknown dtype', () => plain([2], 'f64' as DTypeName), 'ERR_DTYPE', /f32, i32, u32, u8, f16 or bf16/],
    [
      'f16 on the CPU',
      () => plain([2], 'f16'),
      'ERR_DTYPE',
      /^create: this device does not compute in f16; use dtype 'f32' or a CUDA device$/,
    ],
    ['bf16 images on the CPU', () => native.create(device, 'bf16', [1, 1, 2, 2], true), 'ERR_DTYPE', /bf16; use/],
    ['a cast to bf16 on the CPU', () => native.cast(plain([2]), 'bf16'), 'ERR_DTYPE', /^cast: .*bf16; use/],
    ['a cast of integers', () => native.cast(plain([2], 'i32'), 'f32'), 'ERR_DTYPE', /x \[2\] is i32/],
    ['a cast to integers', () => native.cast(plain([2]), 'i32' as 'f32'), 'ERR_DTYPE', /y \[2\] is i32/],
    [
      'bf16 batches on the CPU',
      () =>
        native.augment(
          plain([5, 3, 4, 4], 'u8'),
          plain([2], 'i32'),
          plain([1], 'i32'),
          plain([3]),
          plain([3]),
          0,
          false,
          0,
          0,
          'bf16',
          0,
        ),
      'ERR_DTYPE',
      /^augment: .*bf16; use/,
    ],
    [
      'what a ReLU passed of another size',
      () => {
        const [x, c] = [image([2, 3, 4, 4]), plain([3])];
        return native.batchNormBackward(x, x, x, plain([7], 'u8'), c, c, c, c, c, true, true, false, false);
      },
      'ERR_SHAPE',
      /passed \[7\]/,
    ],
    ['statistics of another size', () => native.updateLossScale(plain([4]), 2000), 'ERR_SHAPE', /stats \[4\]/],
    ['an interval of 0', () => native.updateLossScale(plain([8]), 0), 'ERR_ARGUMENT', /interval is 0/],
    [
      'a dropout of everything',
      () => native.dropout(plain([2]), plain([1], 'i32'), 1, 0, 0),
      'ERR_ARGUMENT',
      /p must be/,
    ],
    [
      'a dropout of images',
      () => native.dropout(image([1, 1, 2, 2]), plain([1], 'i32'), 0.5, 0, 0),
      'ERR_ARGUMENT',
      /x .*plain/,
    ],
    [
      'a dropout of integers',
      () => native.dropout(plain([2], 'i32'), plain([1], 'i32'), 0.5, 0, 0),
      'ERR_DTYPE',
      /x \[2\] is i32/,
    ],
    ['a clock of two', () => native.dropout(plain([2]), plain([2], 'i32'), 0.5, 0, 0), 'ERR_SHAPE', /clock \[2\]/],
    ['another typed array', () => native.write(plain([2]), new Int32Array(2)), 'ERR_DTYPE', /Float32Array/],
    ['an array of another length', () => native.write(plain([2]), new Float32Array(3)), 'ERR_SHAPE', /3 elements/],
    ['256 for bytes', () => native.fill(plain([2], 'u8'), 256), 'ERR_ARGUMENT', /is no u8/],
    ['bits of another count', () => native.createMask(plain([2], 'u32'), [3, 3, 3, 3]), 'ERR_SHAPE', /81 bits/],
    ['words of another count', () => native.maskWrite(maskOver([64]), new Uint32Array(3)), 'ERR_SHAPE', /3 words/],
    [
      'keeping more than all',
      () => native.maskTopK([maskOver([64])], [plain([64])], 65),
      'ERR_ARGUMENT',
      /keep 65 must be from 0 to 64/,
    ],
    [
      'keeping more than all of several',
      () => native.maskGrow([maskOver([64]), maskOver([2, 3])], [plain([64]), plain([2, 3])], 71),
      'ERR_ARGUMENT',
      /grow 71 must be from 0 to 70, the weights of all masks/,
    ],
    [
      'scores of another shape',
      () => native.maskDrop([maskOver([64])], [plain([63])], 1),
      'ERR_SHAPE',
      /scores\[0\] \[63\] must be \[64\]/,
    ],
    ['fewer scores than masks', () => native.maskDrop([maskOver([64])], [], 1), 'ERR_ARGUMENT', /1 masks but 0 scores/],
    ['no masks to rank', () => native.maskDrop([], [], 0), 'ERR_ARGUMENT', /masks is empty/],
    [
      'a mask for a list of masks',
      () => native.maskDrop(maskOver([64]) as unknown as number[], [plain([64])], 1),
      'ERR_ARGUMENT',
      /masks must be an array of handles, but is \d+/,
    ],
    [
      'a mask in a list of tensors',
      () => native.maskDrop([maskOver([64])], [maskOver([64])], 1),
      'ERR_ARGUMENT',
      /scores\[0\] must be a tensor, but is a mask/,
    ],
    [
      'a mask ranked twice',
      () => {
        const mask = maskOver([64]);
        native.maskTopK([mask, mask], [plain([64]), plain([64])], 1);
      },
      'ERR_ARGUMENT',
      /masks\[1\] is there twice/,
    ],
    [
      'a threshold that is no number',
      () => native.maskDropBelow(maskOver([64]), plain([64]), Number.NaN, 0),
      'ERR_ARGUMENT',
      /threshold is NaN/,
    ],
    [
      'an exception of another shape',
      () => native.maskGrowRandom(maskOver([64]), maskOver([8, 8]), 1, 0, 0),
      'ERR_SHAPE',
      /except is a mask over \[8, 8\], but must be one over \[64\]/,
    ],
    [
      'a combination of other shapes',
      () => native.maskCombine(0, maskOver([63]), maskOver([64])),
      'ERR_SHAPE',
      /other is a mask over \[63\]/,
    ],
    ['an unknown combination', () => native.maskCombine(4, maskOver([64]), maskOver([64])), 'ERR_ARGUMENT', /op is 4/],
    ['rows of images', () => native.reduceRows(0, image([1, 1, 2, 2])), 'ERR_ARGUMENT', /must be plain/],
    ['an arena of odd size', () => native.gradientNorm(plain([100]), 0, 0, 0, plain([8])), 'ERR_SHAPE', /128/],
    ['a slot past the end', () => native.gradientNorm(plain([128]), 0, 0, 8, plain([8])), 'ERR_ARGUMENT', /slot 8/],
    [
      'a short working copy',
      () => step(plain([128]), plain([8], 'u32'), plain([1, 2], 'i32'), plain([1])),
      'ERR_SHAPE',
      /working/,
    ],
    ['short bits', () => step(plain([256]), plain([7], 'u32'), plain([1, 2], 'i32'), plain([1])), 'ERR_SHAPE', /bits/],
    [
      'decay of other segments',
      () => step(plain([256]), plain([8], 'u32'), plain([2, 2], 'i32'), plain([1])),
      'ERR_SHAPE',
      /decay/,
    ],
  ];

  it.each(cases)('%s', (_name, call, code, message) => {
    let error: unknown;
    try {
      call();
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(S2Error);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect((error as S2Error).message.startsWith(`${(error as S2Error).op}: `)).toBe(true);
  });

  it('leaves the device usable', async () => {
    const x = plain([3]);
    native.fill(x, 2);
    expect([...(await native.read(x))]).toEqual([2, 2, 2]);
  });
});

it('segments that leave the arena are found while the step runs', async () => {
  const segments = plain([1, 2], 'i32');
  native.write(segments, Int32Array.of(0, 257));
  const arena = () => plain([256]);
  native.optimizerStep(
    arena(),
    arena(),
    arena(),
    arena(),
    0,
    plain([8], 'u32'),
    segments,
    plain([1]),
    plain([8]),
    plain([8]),
    false,
    true,
    false,
  );
  await expect(native.synchronize(device)).rejects.toMatchObject({
    code: 'ERR_ARGUMENT',
    message: expect.stringMatching(/segments\[1\] is 257.*less than 257/),
  });
  await native.synchronize(device);
});
