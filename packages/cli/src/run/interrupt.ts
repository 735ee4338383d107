/** Exit code after Ctrl-C. */
export const INTERRUPTED = 130;

const signals = ['SIGINT', 'SIGTERM'] as const;

/** The first SIGINT or SIGTERM asks the work to end in good order, the second ends the process at once. */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  readonly #listener = (): void => {
    if (this.#controller.signal.aborted) process.exit(INTERRUPTED);
    process.stderr.write('\nstopping after this step; press Ctrl-C again to stop at once\n');
    this.#controller.abort();
  };

  constructor() {
    for (const name of signals) process.on(name, this.#listener);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const name of signals) process.off(name, this.#listener);
  }
}

/** The result of work that knows the signal; undefined when it ended because of it. */
export async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}
