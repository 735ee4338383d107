import type { Finding } from '../doctor/finding.js';
import { inspect } from '../doctor/inspect.js';
import { exitCodes } from '../errors.js';
import type { Output } from '../run/output.js';

const sign = ({ ok }: Finding): string => (ok === undefined ? ' ' : ok ? '+' : '!');

/** `s2sam doctor`: what this machine offers; exit code 1 when something that is needed does not work. */
export async function doctorCommand(
  options: { readonly json?: boolean; readonly data?: string },
  output: Output,
): Promise<number> {
  const { findings, selfTest } = await inspect(options.data);
  const ok = findings.every((finding) => finding.ok !== false);
  if (options.json === true) {
    const checks = Object.fromEntries(findings.map(({ name, ok, detail }) => [name, { ok: ok ?? null, detail }]));
    output.print(JSON.stringify({ ok, checks, selfTest: selfTest ?? null }));
  } else {
    const width = Math.max(...findings.map(({ name }) => name.length));
    for (const finding of findings) {
      const lines = finding.detail.split('\n').join(`\n${' '.repeat(width + 4)}`);
      output.print(`${sign(finding)} ${finding.name.padEnd(width)}  ${lines}`);
    }
    output.print(ok ? 'everything needed works' : 'something needed does not work; see the lines marked !');
  }
  return ok ? exitCodes.done : exitCodes.failed;
}
