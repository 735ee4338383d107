import { ArgumentError, type ImageDataset, philox, type Split, type StreamKey, streamKey } from '@s2sam/core';

export interface ProceduralOptions {
  /** 2 to 100. Up to 10 the class is a shape; above, a shape on a background pattern. Default 10. */
  readonly classes?: number;
  /** Height and width in pixels, 16 to 256. Default 32. */
  readonly size?: number;
  /** Number of training images. Default 10,000. */
  readonly train?: number;
  /** Number of test images. Default 2,000. */
  readonly test?: number;
  /** Default 0. */
  readonly seed?: number;
}

/**
 * What a class is: whether the point (u, v) belongs to a shape of radius about 1, v pointing down. Shapes, like the patterns below,
 * stay themselves when mirrored, so that flipping is a sound augmentation.
 */
const shapes: readonly ((u: number, v: number) => boolean)[] = [
  (u, v) => u * u + v * v < 0.9,
  (u, v) => u * u + v * v < 1.05 && u * u + v * v > 0.4,
  (u, v) => Math.abs(u) < 0.85 && Math.abs(v) < 0.85,
  (u, v) => Math.abs(u) + Math.abs(v) < 1.2,
  (u, v) => v < 0.85 && Math.abs(u) < 0.55 * (v + 0.95),
  (u, v) => v > -0.85 && Math.abs(u) < 0.55 * (0.95 - v),
  (u, v) => Math.min(Math.abs(u), Math.abs(v)) < 0.28 && Math.max(Math.abs(u), Math.abs(v)) < 1,
  (u, v) => Math.min(Math.abs(u + v), Math.abs(u - v)) < 0.4 && Math.max(Math.abs(u + v), Math.abs(u - v)) < 1.45,
  (u, v) => Math.abs(u) < 1 && Math.abs(v) > 0.25 && Math.abs(v) < 0.75,
  (u, v) => Math.abs(v) < 1 && Math.abs(u) > 0.25 && Math.abs(u) < 0.75,
];

/** Periods in x and y, in 32nds of the image, of the wave behind the shape. */
const patterns: readonly (readonly [x: number, y: number])[] = [
  [Infinity, Infinity],
  [4, Infinity],
  [8, Infinity],
  [Infinity, 4],
  [Infinity, 8],
  [4, 4],
  [8, 8],
  [4, 8],
  [8, 4],
  [16, 16],
];

/** Numbers in [0, 1) for one image: a function of the key and the image's index alone. */
class Draws {
  #block = 0;
  #words: number[] = [];

  constructor(
    readonly key: StreamKey,
    readonly image: number,
  ) {}

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    if (this.#words.length === 0) this.#words = philox(this.key, this.image, this.#block++);
    return low + (high - low) * ((this.#words.pop() as number) / 2 ** 32);
  }

  below(count: number): number {
    return Math.floor(this.between(0, count));
  }

  color(low: number, high: number): readonly [number, number, number] {
    return [this.between(low, high), this.between(low, high), this.between(low, high)];
  }
}

/** A table of noise, nearly normal with a standard deviation of 20 grey levels; images start and stride through it at random. */
const NOISE_SIZE = 2 ** 16;
function makeNoise(key: StreamKey): Int8Array {
  const noise = new Int8Array(NOISE_SIZE);
  for (let i = 0; i < NOISE_SIZE; i += 4) {
    // The sum of four bytes has mean 510 and standard deviation 147.8.
    philox(key, i).forEach((word, j) => {
      const sum = (word & 0xff) + ((word >>> 8) & 0xff) + ((word >>> 16) & 0xff) + (word >>> 24);
      noise[i + j] = Math.round(((sum - 510) / 147.8) * 20);
    });
  }
  return noise;
}

/** One line of a wave: all ones where the period is infinite. */
const waveLine = (size: number, period: number, phase: number): Float64Array =>
  Float64Array.from({ length: size }, (_, x) =>
    period === Infinity ? 1 : Math.sin(2 * Math.PI * ((x * 32) / (size * period) + phase)),
  );

/** Draws one image of class `label` as three planes into `pixels`. */
function paint(
  pixels: Uint8ClampedArray,
  size: number,
  label: number,
  classes: number,
  noise: Int8Array,
  draws: Draws,
) {
  const shape = shapes[label % shapes.length] as (typeof shapes)[number];
  const pattern = classes > shapes.length ? Math.floor(label / shapes.length) : draws.below(patterns.length);
  const [periodX, periodY] = patterns[pattern] as (typeof patterns)[number];
  const waveX = waveLine(size, periodX, draws.between(0, 1));
  const waveY = waveLine(size, periodY, draws.between(0, 1));
  const contrast = draws.between(15, 35);

  const radius = draws.between(0.2, 0.34) * size;
  const [centerX, centerY] = [draws.between(0.36, 0.64) * size, draws.between(0.36, 0.64) * size];
  const angle = draws.between(-0.2, 0.2);
  const [cos, sin] = [Math.cos(angle) / radius, Math.sin(angle) / radius];

  // Dark on light or light on dark: single pixels say nothing about the class.
  const [dark, light] = [draws.color(20, 110), draws.color(130, 235)];
  const [front, back] = draws.below(2) === 0 ? [dark, light] : [light, dark];
  let at = draws.below(NOISE_SIZE);
  const stride = 2 * draws.below(NOISE_SIZE / 2) + 1;

  const plane = size * size;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const inside = shape(cos * (x - centerX) + sin * (y - centerY), cos * (y - centerY) - sin * (x - centerX));
      const [red, green, blue] = inside ? front : back;
      const wave = inside ? 0 : contrast * (waveX[x] as number) * (waveY[y] as number);
      const pixel = y * size + x;
      pixels[pixel] = red + wave + (noise[at] as number);
      pixels[plane + pixel] = green + wave + (noise[(at + stride) % NOISE_SIZE] as number);
      pixels[2 * plane + pixel] = blue + wave + (noise[(at + 2 * stride) % NOISE_SIZE] as number);
      at = (at + 3 * stride) % NOISE_SIZE;
    }
  }
}

function makeSplit(count: number, size: number, classes: number, seed: number, name: string): Split {
  const key = streamKey(seed, `procedural/${name}`);
  const noise = makeNoise(streamKey(seed, `procedural/${name}/noise`));
  const bytes = 3 * size * size;
  const images = new Uint8ClampedArray(count * bytes);
  const labels = Uint8Array.from({ length: count }, (_, image) => image % classes);
  for (const [image, label] of labels.entries()) {
    const pixels = images.subarray(image * bytes, (image + 1) * bytes);
    paint(pixels, size, label, classes, noise, new Draws(key, image));
  }
  return { size: count, images: new Uint8Array(images.buffer), labels };
}

function checkWhole(name: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  const op = 'proceduralImages';
  throw new ArgumentError(`${op}: ${name} is ${value}; it must be a whole number from ${low} to ${high}`, { op });
}

/** Of values from 0 to 1, over images of all classes. */
export const proceduralNormalization = { mean: [0.492, 0.492, 0.492], std: [0.271, 0.271, 0.271] } as const;

/**
 * Made-up labelled images: one shape per class, of random position, size, tilt, colours and polarity, on a random background, with
 * noise. Every image is a function of (seed, split, index) alone; classes take turns. For trying things out where no real data is
 * at hand: accuracies on it compare with nothing. Throws ArgumentError.
 */
export function proceduralImages(options: ProceduralOptions = {}): ImageDataset {
  const { classes = 10, size = 32, train = 10_000, test = 2_000, seed = 0 } = options;
  checkWhole('classes', classes, 2, shapes.length * patterns.length);
  checkWhole('size', size, 16, 256);
  checkWhole('train', train, 1, 1_000_000);
  checkWhole('test', test, 1, 1_000_000);
  checkWhole('seed', seed, 0, Number.MAX_SAFE_INTEGER);
  return {
    name: `procedural-${size}x${size}`,
    synthetic: true,
    classes,
    imageShape: [3, size, size],
    ...proceduralNormalization,
    augmentation: { pad: Math.floor(size / 8), flip: true },
    train: makeSplit(train, size, classes, seed, 'train'),
    test: makeSplit(test, size, classes, seed, 'test'),
  };
}
