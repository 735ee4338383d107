import { existsSync } from 'node:fs';
import { IoError } from '@s2sam/core';
import { writeReport } from '../report/write.js';
import { RunFolder } from '../run/folder.js';
import type { Output } from '../run/output.js';

/** `s2sam report`: makes the HTML report of a run again. Returns the exit code. */
export function reportCommand(path: string, options: { readonly out?: string }, output: Output): number {
  const folder = new RunFolder(path);
  if (!existsSync(folder.metrics)) {
    throw new IoError(`report: ${path} is no run folder: it holds no metrics.jsonl; give a folder such as runs/<run>`, {
      op: 'report',
    });
  }
  const out = options.out ?? folder.report;
  writeReport(folder, out);
  output.print(out);
  return 0;
}
