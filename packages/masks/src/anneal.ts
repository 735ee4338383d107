import { ConfigError } from '@s2sam/core';
import { checkShare } from './checks.js';

/** A value that goes from one number to another while masks change: `at(0)` is the first, `at(1)` the last. */
export interface Anneal {
  readonly name: string;
  at(progress: number): number;
}

/** end + (begin - end) * shape(progress); shape(0) = 1, shape(1) = 0. */
function between(name: string, begin: number, end: number, shape: (progress: number) => number): Anneal {
  for (const value of [begin, end]) {
    if (!Number.isFinite(value)) throw new ConfigError(`anneal.${name}: ${value} is not a finite number`, { op: name });
  }
  return { name, at: (progress) => end + (begin - end) * shape(Math.min(1, Math.max(0, progress))) };
}

/** How drop fractions and densities move over a training. */
export const anneal = {
  /** The same value all the time. */
  constant: (value: number): Anneal => between('constant', value, value, () => 0),
  /** In a straight line. */
  linear: (begin: number, end = 0): Anneal => between('linear', begin, end, (p) => 1 - p),
  /** end + (begin - end) * (1 + cos(pi * p)) / 2: Dettmers & Zettlemoyer 2019, RigL. */
  cosine: (begin: number, end = 0): Anneal => between('cosine', begin, end, (p) => (1 + Math.cos(Math.PI * p)) / 2),
  /** end + (begin - end) * (1 - p)^3: Zhu & Gupta 2018. */
  cubic: (begin: number, end = 0): Anneal => between('cubic', begin, end, (p) => (1 - p) ** 3),
} as const;

/** A drop fraction; throws ConfigError unless it stays from 0 to 1. */
export function toFraction(op: string, value: number | Anneal): Anneal {
  const fraction = typeof value === 'number' ? anneal.constant(value) : value;
  for (const end of [0, 1]) checkShare(op, 'dropFraction', fraction.at(end));
  return fraction;
}
