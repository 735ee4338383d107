import { at, type BySeverity, type Corrupt, mapped } from './pixels.js';

const GAUSSIAN: BySeverity<number> = [0.04, 0.06, 0.08, 0.09, 0.1];
const SHOT: BySeverity<number> = [500, 250, 100, 75, 50];
const IMPULSE: BySeverity<number> = [0.01, 0.02, 0.03, 0.05, 0.07];
const SPECKLE: BySeverity<number> = [0.06, 0.1, 0.12, 0.16, 0.2];

export const gaussianNoise: Corrupt = (image, severity, draws) => {
  const deviation = at(GAUSSIAN, severity);
  return mapped(image, (x) => x + deviation * draws.normal());
};

export const speckleNoise: Corrupt = (image, severity, draws) => {
  const deviation = at(SPECKLE, severity);
  return mapped(image, (x) => x + x * deviation * draws.normal());
};

/** Some numbers, channel by channel, become 0 or 1. */
export const impulseNoise: Corrupt = (image, severity, draws) => {
  const amount = at(IMPULSE, severity);
  return mapped(image, (x) => {
    const drawn = draws.uniform();
    return drawn > amount ? x : drawn > amount / 2 ? 0 : 1;
  });
};

/** Photons counted: Poisson(x * c) / c. */
export const shotNoise: Corrupt = (image, severity, draws) => {
  const photons = at(SHOT, severity);
  const tables = poissonTables(photons);
  return Uint8Array.from(image, (byte) => {
    const count = countOf(tables[byte] as Float64Array, draws.uniform());
    return Math.trunc(255 * Math.min(1, count / photons));
  });
};

const known = new Map<number, readonly Float64Array[]>();

/** For each byte, P(count <= k) of the Poisson distribution with mean photons * byte / 255, up to where it is 1. */
function poissonTables(photons: number): readonly Float64Array[] {
  let tables = known.get(photons);
  if (tables === undefined) {
    tables = Array.from({ length: 256 }, (_, byte) => cumulative((photons * byte) / 255));
    known.set(photons, tables);
  }
  return tables;
}

function cumulative(mean: number): Float64Array {
  const sums: number[] = [];
  let [logFactorial, sum] = [0, 0];
  // 12 standard deviations above the mean, what is left is below the 53 bits of a draw.
  for (let k = 0; k <= mean + 12 * Math.sqrt(mean) + 20; k++) {
    if (k > 0) logFactorial += Math.log(k);
    sum += mean === 0 ? (k === 0 ? 1 : 0) : Math.exp(k * Math.log(mean) - mean - logFactorial);
    sums.push(sum);
  }
  return Float64Array.from(sums);
}

/** The least k with P(count <= k) >= drawn. */
function countOf(table: Float64Array, drawn: number): number {
  let [low, high] = [0, table.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((table[middle] as number) >= drawn) high = middle;
    else low = middle + 1;
  }
  return low;
}
