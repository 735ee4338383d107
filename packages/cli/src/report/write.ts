import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { ioError } from '@s2sam/core';
import { parse } from 'yaml';
import type { RunFolder } from '../run/folder.js';
import { readAssets } from './assets.js';
import { readMetrics } from './metrics.js';
import { page } from './page.js';

/** Makes the report of a run, one file that needs nothing else, from `metrics.jsonl` and `config.yaml`. Throws IoError. */
export function writeReport(folder: RunFolder, out: string): void {
  const config = existsSync(folder.config) ? readFileSync(folder.config, 'utf8') : '';
  const nominal = nominalDensity(config);
  const input = { title: folder.name, metrics: readMetrics(folder.metrics), config };
  const text = page(nominal === undefined ? input : { ...input, nominal }, readAssets());
  try {
    writeFileSync(out, text);
  } catch (cause) {
    throw ioError('report', out, cause);
  }
}

/** The density a run's configuration asks for; undefined where it does not say. */
function nominalDensity(config: string): number | undefined {
  try {
    const { sparsity } = (parse(config) ?? {}) as { sparsity?: { density?: unknown } };
    return typeof sparsity?.density === 'number' ? sparsity.density : undefined;
  } catch {
    return undefined; // A report is made of a damaged configuration too.
  }
}
