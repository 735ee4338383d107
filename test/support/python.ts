import { execFile, execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Where Python's packages are taken as they come: `S2SAM_PYTHON` names the interpreter to check against. */
const python = process.env.S2SAM_PYTHON;

/** Why a check with these packages cannot be made here, said once on the console; undefined where it can. */
export function missingFromPython(what: string, ...packages: readonly string[]): string | undefined {
  const reason = obstacle(packages);
  if (reason !== undefined) console.log(`skipped: ${what}, since ${reason}`);
  return reason;
}

function obstacle(packages: readonly string[]): string | undefined {
  if (python === undefined) return 'S2SAM_PYTHON names no interpreter';
  const missing = packages.filter((name) => {
    const probe = `import sys, importlib.util; sys.exit(importlib.util.find_spec('${name}') is None)`;
    try {
      execFileSync(python, ['-c', probe], { stdio: 'ignore' });
      return false;
    } catch {
      return true;
    }
  });
  return missing.length === 0 ? undefined : `${python} has no ${missing.join(', ')}`;
}

/** Runs a program of `test/export/` and parses the JSON that it prints. */
export async function askPython(program: string, ...args: readonly string[]): Promise<unknown> {
  const path = fileURLToPath(new URL(`../export/${program}`, import.meta.url));
  const { stdout } = await promisify(execFile)(python as string, [path, ...args], { maxBuffer: 2 ** 28 });
  return JSON.parse(stdout);
}
