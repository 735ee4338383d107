import * as v from 'valibot';

/**
 * The kinds of value a configuration holds. Each field carries one phrase that says what is allowed; errors and `--help` both
 * print it. A field without a default is left out unless given.
 */
function field<T>(allowed: string, accept: (value: unknown) => boolean) {
  return v.pipe(v.custom<T>(accept, allowed), v.description(allowed));
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

export const positiveInteger = field<number>(
  'a whole number >= 1',
  (value) => Number.isInteger(value) && Number(value) >= 1,
);
export const count = field<number>('a whole number >= 0', (value) => Number.isInteger(value) && Number(value) >= 0);
export const positive = field<number>('a number > 0', (value) => isNumber(value) && value > 0);
export const atLeastZero = field<number>('a number >= 0', (value) => isNumber(value) && value >= 0);
export const belowOne = field<number>('a number >= 0 and < 1', (value) => isNumber(value) && value >= 0 && value < 1);
export const share = field<number>('a number > 0 and <= 1', (value) => isNumber(value) && value > 0 && value <= 1);
export const unitShare = field<number>('a number from 0 to 1', (value) => isNumber(value) && value >= 0 && value <= 1);
export const flag = field<boolean>('true or false', (value) => typeof value === 'boolean');
export const text = field<string>('a text', (value) => typeof value === 'string' && value.length > 0);
export const epochList = field<number[]>(
  'a rising list of epochs such as [80, 120]',
  (value) =>
    Array.isArray(value) && value.every((item, i) => isNumber(item) && item > 0 && (i === 0 || item > value[i - 1])),
);

export const sizeList = field<[number, number][]>(
  'a list of [epoch, size] such as [[0, 128], [30, 224]], epochs rising from 0',
  (value) =>
    Array.isArray(value) &&
    value.every(
      (pair, i) =>
        Array.isArray(pair) &&
        pair.length === 2 &&
        pair.every((item) => Number.isInteger(item)) &&
        (i === 0 ? pair[0] === 0 : pair[0] > value[i - 1][0]) &&
        pair[1] >= 32,
    ),
);

export const oneOf = <const T extends string>(...names: readonly T[]) =>
  field<T>(`one of ${names.join(', ')}`, (value) => (names as readonly unknown[]).includes(value));

const isOneOf = (names: readonly string[], value: unknown): boolean => (names as readonly unknown[]).includes(value);

export const oneOfOrNames = <const T extends string>(...names: readonly T[]) =>
  field<T | string[]>(
    `one of ${names.join(', ')}, or a list of names such as [conv1.weight]`,
    (value) =>
      isOneOf(names, value) ||
      (Array.isArray(value) && value.length > 0 && value.every((name) => typeof name === 'string')),
  );

type Accept = (item: Readonly<Record<string, unknown>>) => boolean;

const isListOf = (value: unknown, accept: Accept): boolean =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((item) => typeof item === 'object' && item !== null && accept(item));

/** @param shape of an item, in words */
export const listOf = <T>(shape: string, accept: Accept) =>
  field<T[]>(`a list of ${shape}`, (value) => isListOf(value, accept));

/** @param shape of an item, in words */
export const oneOfOrList = <N extends string, T>(names: readonly N[], shape: string, accept: Accept) =>
  field<N | T[]>(
    `one of ${names.join(', ')}, or a list of ${shape}`,
    (value) => isOneOf(names, value) || isListOf(value, accept),
  );

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/** Seconds of a duration such as `240s`, `1.5h` or a bare number of seconds; undefined when it is none. */
export function seconds(value: unknown): number | undefined {
  if (isNumber(value)) return value > 0 ? value : undefined;
  const [, amount, unit] = (typeof value === 'string' && /^(\d+(?:\.\d+)?)\s*([smh])$/.exec(value)) || [];
  const total = Number(amount) * (units[unit ?? ''] ?? Number.NaN);
  return total > 0 ? total : undefined;
}

export const duration = field<string | number>(
  'a duration such as 240s, 15m or 1.5h',
  (value) => seconds(value) !== undefined,
);
