// Running other programs, for scripts that may run before anything is installed: plain Node.js, no dependencies.
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** A problem the user can solve: shown as its message alone, without a stack. */
export class SetupError extends Error {
  name = 'SetupError';
}

const verbose = Boolean(process.env.S2SAM_VERBOSE);
const LAST_LINES = 25;

export const say = (message) => console.log(message);

/** Full path of a program on PATH, or undefined. */
export function which(name) {
  if (name.includes('/')) return isExecutable(name) ? name : undefined;
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name);
    if (folder !== '' && isExecutable(path)) return path;
  }
  return undefined;
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Runs a program in the repository root and resolves with what it printed. Its output is shown only when it fails, or always with
 * S2SAM_VERBOSE=1. Throws a SetupError that names the command, its exit code, its last lines and `remedy`.
 */
export function run(command, args, { remedy, env = {} } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const collect = (stream) => (chunk) => {
      output += chunk;
      if (verbose) stream.write(chunk);
    };
    child.stdout.on('data', collect(process.stdout));
    child.stderr.on('data', collect(process.stderr));
    const fail = (what) => reject(new SetupError(failure([command, ...args], what, output, remedy)));
    child.on('error', (error) => fail(`could not be started: ${error.message}`));
    child.on('close', (code, signal) => {
      if (code === 0) resolve(output);
      else fail(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`);
    });
  });
}

function failure(words, what, output, remedy) {
  const lines = output.trimEnd().split('\n').slice(-LAST_LINES);
  return [
    `This command ${what}:`,
    `  ${words.join(' ')}`,
    ...(output.trim() === '' ? ['It printed nothing.'] : ['Its last lines:', ...lines.map((line) => `  | ${line}`)]),
    ...(remedy === undefined ? [] : [`What to do: ${remedy}`]),
  ].join('\n');
}

/** Says what is done, does it, says how long it took. */
export async function step(title, work) {
  say(`${title} ...`);
  const start = performance.now();
  const result = await work();
  say(`  done in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return result;
}

/** Runs a script's main function; a SetupError becomes its message and exit code 1. */
export async function main(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`\n${error.message}`);
    process.exitCode = 1;
  }
}

/**
 * Runs a Node.js program in the foreground with our own input and output, and resolves with its exit code. Signals reach it once:
 * those a terminal sends go to the whole foreground group anyway, others are passed on.
 */
export function foreground(args, { env = {} } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, env: { ...process.env, ...env }, stdio: 'inherit' });
    const fromTerminal = process.stdin.isTTY === true;
    const handlers = { SIGINT: () => fromTerminal || child.kill('SIGINT'), SIGTERM: () => child.kill('SIGTERM') };
    for (const [signal, handler] of Object.entries(handlers)) process.on(signal, handler);
    const settle = (done) => (value, signal) => {
      for (const [name, handler] of Object.entries(handlers)) process.off(name, handler);
      done(value, signal);
    };
    child.on('error', settle(reject));
    child.on(
      'close',
      settle((code, signal) => resolve(signal === null ? code : signal === 'SIGINT' ? 130 : 1)),
    );
  });
}
