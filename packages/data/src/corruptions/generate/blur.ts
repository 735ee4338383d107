import { CHANNELS, SIDE, SIZE } from '../planes.js';
import { type BySeverity, type Corrupt, toByte } from './pixels.js';

const GAUSSIAN: BySeverity<number> = [0.4, 0.6, 0.7, 0.8, 1];
/** Radius of the disk, and deviation of the blur that smooths its rim. */
const DEFOCUS: BySeverity<readonly [number, number]> = [
  [0.3, 0.4],
  [0.4, 0.5],
  [0.5, 0.6],
  [1, 0.2],
  [1.5, 0.1],
];

/** Sums of neighbours with these weights, [2r + 1][2r + 1]; `fold` says what stands for places outside. */
function filtered(image: Uint8Array, weights: readonly Float64Array[], fold: (place: number) => number): Uint8Array {
  const radius = (weights.length - 1) / 2;
  const result = new Uint8Array(SIZE);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      for (let channel = 0; channel < CHANNELS; channel++) {
        let sum = 0;
        for (const [dy, row] of weights.entries()) {
          const from = fold(y + dy - radius) * SIDE;
          for (let dx = 0; dx < row.length; dx++) {
            const weight = row[dx] as number;
            if (weight === 0) continue;
            sum += weight * (image[CHANNELS * (from + fold(x + dx - radius)) + channel] as number);
          }
        }
        result[CHANNELS * (y * SIDE + x) + channel] = toByte(sum / 255);
      }
    }
  }
  return result;
}

/** The outermost pixels go on for ever. */
const nearest = (place: number): number => Math.min(SIDE - 1, Math.max(0, place));
/** Mirrored at the outermost pixels. */
const reflected = (place: number): number => (place < 0 ? -place : place >= SIDE ? 2 * (SIDE - 1) - place : place);

function gaussian(deviation: number, radius: number): Float64Array {
  const weights = Float64Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-0.5 * ((i - radius) / deviation) ** 2),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

const outer = (a: Float64Array): Float64Array[] => Array.from(a, (y) => a.map((x) => x * y));

/** A disk whose rim is smoothed by a Gaussian of 3 x 3. */
function disk(radius: number, deviation: number): Float64Array[] {
  const reach = Math.ceil(radius) + 1;
  const inside = (x: number, y: number): number => (x * x + y * y <= radius * radius ? 1 : 0);
  const places = Array.from({ length: 2 * reach + 1 }, (_, i) => i - reach);
  const area = places.reduce((sum, y) => sum + places.reduce((row, x) => row + inside(x, y), 0), 0);
  const smooth = outer(gaussian(deviation, 1));
  return places.map((y) =>
    Float64Array.from(places, (x) => {
      let sum = 0;
      for (const [dy, row] of smooth.entries()) {
        for (const [dx, weight] of row.entries()) sum += (weight * inside(x + dx - 1, y + dy - 1)) / area;
      }
      return sum;
    }),
  );
}

/** Cut off at 4 standard deviations. */
const gaussians = GAUSSIAN.map((deviation) => outer(gaussian(deviation, Math.trunc(4 * deviation + 0.5))));
const disks = DEFOCUS.map(([radius, deviation]) => disk(radius, deviation));

export const gaussianBlur: Corrupt = (image, severity) =>
  filtered(image, gaussians[severity - 1] as Float64Array[], nearest);

export const defocusBlur: Corrupt = (image, severity) =>
  filtered(image, disks[severity - 1] as Float64Array[], reflected);
