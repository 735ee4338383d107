import { CHANNELS, SIZE } from '../planes.js';
import { at, type BySeverity, type Corrupt, mapped, toByte } from './pixels.js';

const BRIGHTNESS: BySeverity<number> = [0.05, 0.1, 0.15, 0.2, 0.3];
const CONTRAST: BySeverity<number> = [0.75, 0.5, 0.4, 0.3, 0.15];
/** Factor and summand of the saturation. */
const SATURATE: BySeverity<readonly [number, number]> = [
  [0.3, 0],
  [0.1, 0],
  [1.5, 0],
  [2, 0.1],
  [2.5, 0.2],
];

const clip = (value: number): number => Math.min(1, Math.max(0, value));

/** Hue, saturation and value (Smith 1978), each 0..1. */
type Hsv = readonly [h: number, s: number, v: number];

function toHsv(r: number, g: number, b: number): Hsv {
  const value = Math.max(r, g, b);
  const range = value - Math.min(r, g, b);
  if (range === 0) return [0, 0, value];
  const sixth = value === r ? (g - b) / range : value === g ? 2 + (b - r) / range : 4 + (r - g) / range;
  return [(((sixth / 6) % 1) + 1) % 1, range / value, value];
}

function toRgb([h, s, v]: Hsv): readonly [number, number, number] {
  const sector = Math.floor(h * 6);
  const f = h * 6 - sector;
  const [p, q, t] = [v * (1 - s), v * (1 - f * s), v * (1 - (1 - f) * s)];
  const sectors = [
    [v, t, p],
    [q, v, p],
    [p, v, t],
    [p, q, v],
    [t, p, v],
    [v, p, q],
  ] as const;
  return sectors[sector % 6] as readonly [number, number, number];
}

function recoloured(image: Uint8Array, change: (hsv: Hsv) => Hsv): Uint8Array {
  const result = new Uint8Array(SIZE);
  for (let i = 0; i < SIZE; i += CHANNELS) {
    const [r, g, b] = [0, 1, 2].map((channel) => (image[i + channel] as number) / 255) as [number, number, number];
    result.set(toRgb(change(toHsv(r, g, b))).map(toByte), i);
  }
  return result;
}

export const brightness: Corrupt = (image, severity) =>
  recoloured(image, ([h, s, v]) => [h, s, clip(v + at(BRIGHTNESS, severity))]);

export const saturate: Corrupt = (image, severity) => {
  const [factor, summand] = at(SATURATE, severity);
  return recoloured(image, ([h, s, v]) => [h, clip(s * factor + summand), v]);
};

/** Towards the mean of each channel. */
export const contrast: Corrupt = (image, severity) => {
  const factor = at(CONTRAST, severity);
  const means = [0, 0, 0];
  for (const [i, byte] of image.entries()) means[i % CHANNELS] = (means[i % CHANNELS] as number) + byte;
  const meanOf = (index: number): number => (means[index % CHANNELS] as number) / (255 * (SIZE / CHANNELS));
  return mapped(image, (x, index) => (x - meanOf(index)) * factor + meanOf(index));
};
