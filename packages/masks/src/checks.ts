import { ConfigError } from '@s2sam/core';

/** Throws ConfigError unless 0 < density <= 1. */
export function checkDensity(op: string, density: number, name = 'density'): void {
  if (!(density > 0 && density <= 1)) {
    const remedy = 'it is the share of weights kept, above 0 and at most 1 (sparsity 0.9 is density 0.1)';
    throw new ConfigError(`${op}: ${name} is ${density}; ${remedy}`, { op });
  }
}

/** Throws ConfigError unless 0 <= value <= 1. */
export function checkShare(op: string, name: string, value: number): void {
  if (!(value >= 0 && value <= 1)) {
    throw new ConfigError(`${op}: ${name} is ${value}; it is a share, from 0 to 1`, { op });
  }
}

/** Throws ConfigError unless the value is a whole number of at least `least`. */
export function checkWhole(op: string, name: string, value: number, least = 1): void {
  if (!Number.isInteger(value) || value < least) {
    throw new ConfigError(`${op}: ${name} is ${value}; it must be a whole number >= ${least}`, { op });
  }
}

/** Throws ConfigError unless the value is finite and above 0. */
export function checkPositive(op: string, name: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value))) {
    throw new ConfigError(`${op}: ${name} is ${value}; it must be a finite number above 0`, { op });
  }
}
