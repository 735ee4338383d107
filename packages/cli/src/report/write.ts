import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { ioError } from '@s2sam/core';
import type { RunFolder } from '../run/folder.js';
import { readAssets } from './assets.js';
import { readMetrics } from './metrics.js';
import { page } from './page.js';

/** Makes the report of a run, one file that needs nothing else, from `metrics.jsonl` and `config.yaml`. Throws IoError. */
export function writeReport(folder: RunFolder, out: string): void {
  const config = existsSync(folder.config) ? readFileSync(folder.config, 'utf8') : '';
  const text = page({ title: folder.name, metrics: readMetrics(folder.metrics), config }, readAssets());
  try {
    writeFileSync(out, text);
  } catch (cause) {
    throw ioError('report', out, cause);
  }
}
