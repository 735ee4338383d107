import { CHANNELS, SIDE } from '../planes.js';
import { at, type BySeverity, type Corrupt } from './pixels.js';

const SHARE: BySeverity<number> = [0.95, 0.9, 0.85, 0.75, 0.65];

/** Bits behind the point of Pillow's weights for bytes. */
const BITS = 22;

/** Which places of the old axis make a place of the new one, and their weights in fixed point, as Pillow's box filter has them. */
interface Window {
  readonly begin: number;
  readonly weights: readonly number[];
}

function windows(from: number, to: number): Window[] {
  const scale = from / to;
  const support = 0.5 * Math.max(1, scale);
  return Array.from({ length: to }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const begin = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(from, Math.trunc(centre + support + 0.5));
    const inside = Array.from({ length: end - begin }, (_, i) => {
      const distance = (begin + i - centre + 0.5) / Math.max(1, scale);
      return distance > -0.5 && distance <= 0.5 ? 1 : 0;
    });
    const total = inside.reduce<number>((sum, weight) => sum + weight, 0);
    return { begin, weights: inside.map((weight) => Math.trunc(0.5 + (weight / total) * 2 ** BITS)) };
  });
}

/** Along the rows, u8 [height][width][3] to [height][to][3]. */
function narrowed(image: Uint8Array, width: number, to: number): Uint8Array {
  const height = image.length / (CHANNELS * width);
  const result = new Uint8Array(height * to * CHANNELS);
  const places = windows(width, to);
  for (let y = 0; y < height; y++) {
    for (const [x, { begin, weights }] of places.entries()) {
      for (let channel = 0; channel < CHANNELS; channel++) {
        let sum = 2 ** (BITS - 1);
        for (const [i, weight] of weights.entries()) {
          sum += weight * (image[CHANNELS * (y * width + begin + i) + channel] as number);
        }
        result[CHANNELS * (y * to + x) + channel] = Math.min(255, Math.floor(sum / 2 ** BITS));
      }
    }
  }
  return result;
}

/** u8 [height][width][3] to [width][height][3]. */
function turned(image: Uint8Array, width: number): Uint8Array {
  const height = image.length / (CHANNELS * width);
  const result = new Uint8Array(image.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const pixel = CHANNELS * (y * width + x);
      result.set(image.subarray(pixel, pixel + CHANNELS), CHANNELS * (x * height + y));
    }
  }
  return result;
}

/** A square of `side` pixels made one of `to` by Pillow's box filter: rows first, then columns, rounded to bytes between. */
const boxed = (image: Uint8Array, side: number, to: number): Uint8Array =>
  turned(narrowed(turned(narrowed(image, side, to), to), side, to), to);

export const pixelate: Corrupt = (image, severity) => {
  const side = Math.trunc(SIDE * at(SHARE, severity));
  return boxed(boxed(image, SIDE, side), side, SIDE);
};
