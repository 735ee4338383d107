import { ArgumentError } from '@s2sam/core';

/**
 * The corruptions of Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations" (ICLR
 * 2019), under the names of the released files: 15 that every mean is taken over, and 4 for validation (`extra`) that belong to none.
 */
export const corruptionGroups = {
  noise: ['gaussian_noise', 'shot_noise', 'impulse_noise'],
  blur: ['defocus_blur', 'glass_blur', 'motion_blur', 'zoom_blur'],
  weather: ['snow', 'frost', 'fog', 'brightness'],
  digital: ['contrast', 'elastic_transform', 'pixelate', 'jpeg_compression'],
  extra: ['speckle_noise', 'gaussian_blur', 'spatter', 'saturate'],
} as const;

export type CorruptionGroup = keyof typeof corruptionGroups;
export type CorruptionName = (typeof corruptionGroups)[CorruptionGroup][number];
export type ExtraCorruption = (typeof corruptionGroups)['extra'][number];
export type BenchmarkCorruption = Exclude<CorruptionName, ExtraCorruption>;

const { noise, blur, weather, digital, extra } = corruptionGroups;

/** The 15 of mCE, in the order of the paper's tables. */
export const benchmarkCorruptions: readonly BenchmarkCorruption[] = [...noise, ...blur, ...weather, ...digital];

/** The 4 that are in no mean over the 15. */
export const extraCorruptions: readonly ExtraCorruption[] = extra;

/** All 19. */
export const corruptionNames: readonly CorruptionName[] = [...benchmarkCorruptions, ...extraCorruptions];

/** 1 is the weakest. */
export type Severity = 1 | 2 | 3 | 4 | 5;
export const severities: readonly Severity[] = [1, 2, 3, 4, 5];

export const isCorruption = (name: string): name is CorruptionName =>
  (corruptionNames as readonly string[]).includes(name);
export const isBenchmarkCorruption = (name: CorruptionName): name is BenchmarkCorruption =>
  (benchmarkCorruptions as readonly string[]).includes(name);
export const isSeverity = (value: number): value is Severity => (severities as readonly number[]).includes(value);

export function groupOf(name: CorruptionName): CorruptionGroup {
  const groups = Object.keys(corruptionGroups) as CorruptionGroup[];
  return groups.find((group) => (corruptionGroups[group] as readonly string[]).includes(name)) as CorruptionGroup;
}

/** Names as a user gives them, in the order of the tables and each once. Throws ArgumentError, for `op`, that lists all names. */
export function checkCorruptions(op: string, names: readonly string[]): CorruptionName[] {
  const unknown = names.find((name) => !isCorruption(name));
  if (unknown !== undefined || names.length === 0) {
    const what = unknown === undefined ? 'no corruption is named' : `unknown corruption '${unknown}'`;
    throw new ArgumentError(`${op}: ${what}; there are ${corruptionNames.join(', ')}`, { op });
  }
  return corruptionNames.filter((name) => names.includes(name));
}

/** Severities as a user gives them, ascending and each once. Throws ArgumentError for `op`. */
export function checkSeverities(op: string, values: readonly number[]): Severity[] {
  const wrong = values.find((value) => !isSeverity(value));
  if (wrong !== undefined || values.length === 0) {
    const what = wrong === undefined ? 'no severity is given' : `severity is ${wrong}`;
    throw new ArgumentError(`${op}: ${what}; severities are 1, 2, 3, 4 and 5`, { op });
  }
  return severities.filter((severity) => values.includes(severity));
}

/**
 * AlexNet's top-1 errors (shares) on ImageNet-C, each the mean over its five severities: what CE_c divides by. By name, since lists of
 * them are easily put in a wrong order. Source: the program for testing in the repository of the paper (hendrycks/robustness).
 */
export const alexNetErrors: Readonly<Record<BenchmarkCorruption, number>> = {
  gaussian_noise: 0.886428,
  shot_noise: 0.894468,
  impulse_noise: 0.92264,
  defocus_blur: 0.81988,
  glass_blur: 0.826268,
  motion_blur: 0.785948,
  zoom_blur: 0.79836,
  snow: 0.866816,
  frost: 0.826572,
  fog: 0.819324,
  brightness: 0.564592,
  contrast: 0.853204,
  elastic_transform: 0.646056,
  pixelate: 0.71784,
  jpeg_compression: 0.6065,
};

/**
 * AlexNet's top-1 error on the clean validation images, which relative CE subtracts: 43.45 % of torchvision's table of one-crop error
 * rates, whose weights the paper measured (it prints 43.5 %).
 */
export const alexNetCleanError = 0.4345;
