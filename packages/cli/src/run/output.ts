/** Where a command speaks: results on standard output, remarks and warnings on standard error. */
export interface Output {
  readonly print: (line: string) => void;
  readonly remark: (line: string) => void;
  readonly warn: (line: string) => void;
  /** Draw a progress bar instead of a line per interval. */
  readonly interactive: boolean;
}

export const terminal: Output = {
  print: (line) => void process.stdout.write(`${line}\n`),
  remark: (line) => void process.stderr.write(`${line}\n`),
  warn: (line) => void process.stderr.write(`warning: ${line}\n`),
  interactive: process.stdout.isTTY === true && process.stderr.isTTY === true,
};
