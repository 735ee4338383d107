import { existsSync, statSync } from 'node:fs';
import type { Checkpoint } from '@s2sam/core';
import { parseYaml } from '../config/load.js';
import type { Tree } from '../config/overrides.js';
import { RunFolder } from './folder.js';

/** A run folder stands for its best checkpoint, or the last where nothing was tested. */
export function checkpointOf(path: string): string {
  if (!existsSync(path) || !statSync(path).isDirectory()) return path;
  const folder = new RunFolder(path);
  return existsSync(folder.best) ? folder.best : folder.last;
}

/** The configuration a checkpoint was made with, as far as it is known. */
export function savedConfig({ path, extra, position, classes }: Checkpoint): Tree {
  if (extra.config !== undefined) return parseYaml(extra.config, `${path}, its configuration`);
  const data = position.dataset.startsWith('procedural') ? { name: 'procedural', classes } : { name: position.dataset };
  return { data, train: { steps: position.totalSteps } };
}
