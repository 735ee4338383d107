import {
  alexNetCleanError,
  alexNetErrors,
  benchmarkCorruptions,
  type CorruptionGroup,
  type CorruptionName,
  extraCorruptions,
  groupOf,
  isBenchmarkCorruption,
  type Severity,
  severities,
} from '@s2sam/data';

/** Accuracies (shares, 0..1) by corruption and severity. */
export type Accuracies = ReadonlyMap<CorruptionName, ReadonlyMap<Severity, number>>;

export interface CorruptionScore {
  readonly corruption: CorruptionName;
  readonly group: CorruptionGroup;
  /** By severity, from 1; null where not measured. */
  readonly accuracies: readonly (number | null)[];
  /** Mean over the severities that were measured. */
  readonly meanAccuracy: number;
  /** Whether all five were. */
  readonly complete: boolean;
  /** Percent of AlexNet's; only of complete ones of the 15, on ImageNet-C. */
  readonly ce?: number;
  readonly relativeCe?: number;
}

/** A mean over pairs of corruption and severity, each of the same weight. */
export interface CellMean {
  readonly accuracy: number;
  /** How many were measured, of how many. */
  readonly cells: number;
  readonly of: number;
  readonly complete: boolean;
}

export interface Cell {
  readonly corruption: CorruptionName;
  readonly severity: Severity;
}

export interface CorruptionMetrics {
  readonly corruptions: readonly CorruptionScore[];
  /** Over 15 corruptions x 5 severities; the extra corruptions are never in it. Only a complete one may be compared. */
  readonly mean?: CellMean;
  /** Over the 4 extra corruptions x 5 severities. */
  readonly extraMean?: CellMean;
  /** Percent; only where all 75 were measured on ImageNet-C. */
  readonly mce?: number;
  /** Percent; needs the clean error too. */
  readonly relativeMce?: number;
  /** Of the 15 x 5, what was not measured. */
  readonly missing: readonly Cell[];
}

export interface MetricsOptions {
  /** Whether the accuracies compare with AlexNet's: ImageNet-C with its 1000 classes. */
  readonly alexNet: boolean;
  /** Share of clean images that are classified right. */
  readonly cleanAccuracy?: number | undefined;
}

const average = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0) / values.length;

/**
 * CE_c = sum_s E_{s,c} / sum_s E_{s,c}(AlexNet); relative CE subtracts the clean error of each network from its errors first. Both in
 * percent (Hendrycks and Dietterich 2019, section 4.1).
 */
function corruptionErrors(
  corruption: CorruptionName,
  meanAccuracy: number,
  { alexNet, cleanAccuracy }: MetricsOptions,
): Pick<CorruptionScore, 'ce' | 'relativeCe'> {
  if (!alexNet || !isBenchmarkCorruption(corruption)) return {};
  const error = 1 - meanAccuracy;
  const reference = alexNetErrors[corruption];
  const ce = (100 * error) / reference;
  if (cleanAccuracy === undefined) return { ce };
  return { ce, relativeCe: (100 * (error - (1 - cleanAccuracy))) / (reference - alexNetCleanError) };
}

function score(
  corruption: CorruptionName,
  measured: ReadonlyMap<Severity, number>,
  options: MetricsOptions,
): CorruptionScore {
  const meanAccuracy = average([...measured.values()]);
  const complete = measured.size === severities.length;
  return {
    corruption,
    group: groupOf(corruption),
    accuracies: severities.map((severity) => measured.get(severity) ?? null),
    meanAccuracy,
    complete,
    ...(complete ? corruptionErrors(corruption, meanAccuracy, options) : {}),
  };
}

function cellMean(names: readonly CorruptionName[], accuracies: Accuracies): CellMean | undefined {
  const values = names.flatMap((name) => [...(accuracies.get(name)?.values() ?? [])]);
  if (values.length === 0) return undefined;
  const of = names.length * severities.length;
  return { accuracy: average(values), cells: values.length, of, complete: values.length === of };
}

/** The mean of a property over the 15; undefined unless all of them have it. */
function meanOf(scores: readonly CorruptionScore[], property: 'ce' | 'relativeCe'): number | undefined {
  const values = scores.flatMap(({ [property]: value }) => (value === undefined ? [] : [value]));
  return values.length === benchmarkCorruptions.length ? average(values) : undefined;
}

const defined = <K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } =>
  (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: V };

/** Scores of each corruption and over all, in the order of the paper's tables. */
export function corruptionMetrics(accuracies: Accuracies, options: MetricsOptions): CorruptionMetrics {
  const names = [...benchmarkCorruptions, ...extraCorruptions];
  const corruptions = names.flatMap((name) => {
    const measured = accuracies.get(name);
    return measured === undefined || measured.size === 0 ? [] : [score(name, measured, options)];
  });
  const missing = benchmarkCorruptions.flatMap((corruption) =>
    severities.flatMap((severity) => (accuracies.get(corruption)?.has(severity) ? [] : [{ corruption, severity }])),
  );
  return {
    corruptions,
    ...defined('mean', cellMean(benchmarkCorruptions, accuracies)),
    ...defined('extraMean', cellMean(extraCorruptions, accuracies)),
    ...defined('mce', meanOf(corruptions, 'ce')),
    ...defined('relativeMce', meanOf(corruptions, 'relativeCe')),
    missing,
  };
}
