import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { reason } from './inTurn.mjs';

const program = (name) => fileURLToPath(new URL(`../peers/${name}`, import.meta.url));

/** The Python to measure against ($S2SAM_PYTHON or python3) when it has torch; else undefined. */
export function findPython() {
  const python = process.env.S2SAM_PYTHON ?? 'python3';
  try {
    execFileSync(python, ['-c', 'import torch'], { stdio: 'ignore' });
    return python;
  } catch {
    return undefined;
  }
}

/** Options of a program by their names, as words of its command line. */
export const wordsOf = (options) => Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);

/**
 * Starts peers [{name, program, args, ...}] side by side, which get what else is said of them; those that cannot be started go to
 * `unmeasured`.
 */
export async function startPeers(wanted, unmeasured) {
  const python = wanted.length === 0 ? undefined : findPython();
  if (python === undefined) {
    const why = `no Python with torch here (S2SAM_PYTHON is ${process.env.S2SAM_PYTHON ?? 'not set'})`;
    unmeasured.push(...wanted.map(({ name }) => ({ what: name, why })));
    return [];
  }
  const started = await Promise.allSettled(wanted.map((one) => Peer.start(python, one)));
  return started.flatMap((outcome, index) => {
    const { program: _file, args: _args, ...about } = wanted[index];
    if (outcome.status === 'fulfilled') return [Object.assign(outcome.value, about)];
    unmeasured.push({ what: about.name, why: reason(outcome.reason) });
    return [];
  });
}

/** A PyTorch program in a process of its own, which waits, idle, until it is asked for a measurement. */
export class Peer {
  #child;
  #lines;

  /** A program that times steps. Resolves once its warm-up is done. */
  static async start(python, { name, program: file, args }) {
    return Peer.#spawn(name, python, [program(file), '--serve', ...args]);
  }

  /** PyTorch's convolutions, see pytorch_layers.py. */
  static startLayers(python, threads) {
    return Peer.#spawn('pytorch layers', python, [program('pytorch_layers.py'), '--threads', String(threads)]);
  }

  /** torchvision's transforms on the files of a list, see torchvision_data.py. */
  static startData(python, list) {
    return Peer.#spawn('torchvision', python, [program('torchvision_data.py'), list]);
  }

  static async #spawn(name, python, args) {
    const peer = new Peer();
    peer.name = name;
    peer.#child = spawn(python, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    peer.#lines = createInterface({ input: peer.#child.stdout })[Symbol.asyncIterator]();
    peer.ready = await peer.#next('ready');
    return peer;
  }

  /** The answer to one line of JSON. */
  async ask(question) {
    this.#child.stdin.write(`${JSON.stringify(question)}\n`);
    return this.#next('run');
  }

  /** Seconds per step over `steps` steps. */
  async run(steps) {
    this.#child.stdin.write(`run ${steps}\n`);
    const { seconds_per_step, peak_mb } = await this.#next('run');
    this.peakMB = peak_mb;
    return seconds_per_step;
  }

  async close() {
    this.#child.stdin.end('quit\n');
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
  }

  async #next(event) {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.name} ended before its '${event}' line; its message is above`);
    const message = JSON.parse(value);
    if (message.event !== event) throw new Error(`${this.name} answered ${value} where '${event}' was due`);
    return message;
  }
}
