import * as v from 'valibot';
import { configSchema } from './schema.js';

/** One leaf of the configuration. */
export interface Key {
  /** Dotted, e.g. `optimizer.rho`. */
  readonly path: string;
  /** What it may hold, in words. */
  readonly allowed: string;
  /** Undefined where the key is left out unless given. */
  readonly fallback: unknown;
}

/** Every key of the schema, in its order. */
export const keys: readonly Key[] = Object.entries(configSchema.entries).flatMap(([section, wrapped]) =>
  Object.entries(wrapped.wrapped.entries).map(([name, entry]): Key => {
    const fallback: unknown = 'default' in entry ? entry.default : undefined;
    return { path: `${section}.${name}`, allowed: v.getDescription(entry.wrapped) ?? '', fallback };
  }),
);

export const sections: readonly string[] = Object.keys(configSchema.entries);

/** The key a bare value given to a section means: `--model resnet20` is `--model.name resnet20`. */
export const mainKey: Readonly<Record<string, string>> = {
  model: 'name',
  data: 'name',
  optimizer: 'name',
  sparsity: 'method',
  device: 'kind',
  output: 'dir',
};

/** Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`. */
export function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number): number => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    rows.push([i]);
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, at(i - 2, j - 2) + 1);
      (rows[i] as number[]).push(best);
    }
  }
  return at(a.length, b.length);
}

const lastPart = (path: string): string => path.slice(path.lastIndexOf('.') + 1);

/** The candidate closest to an unknown dotted path, by its whole path or its last part; undefined when none is close. */
export function nearest(unknown: string, candidates: readonly string[]): string | undefined {
  const distance = (candidate: string): number => {
    const whole = editDistance(unknown.toLowerCase(), candidate.toLowerCase());
    const last = editDistance(lastPart(unknown).toLowerCase(), lastPart(candidate).toLowerCase());
    return Math.min(whole, last + (unknown.includes('.') ? 0.5 : 0.25));
  };
  const [best] = candidates.map((path) => ({ path, far: distance(path) })).sort((a, b) => a.far - b.far);
  return best !== undefined && best.far <= Math.max(2, lastPart(unknown).length / 3) ? best.path : undefined;
}
