import { unscoped } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';

let current: { readonly decisions: Decisions; readonly repeat: boolean } | undefined;

/**
 * Which inputs every ReLU lets pass and which pixel wins every max pool, noted in one forward pass and repeated in others. With its
 * decisions fixed a network is smooth, so differences of gradients converge to the Hessian that differentiating twice gives.
 */
export class Decisions implements Disposable {
  readonly #gates: Tensor[] = [];
  #next = 0;

  /** Runs a pass that decides, and notes how. */
  note<T>(pass: () => T): T {
    this[Symbol.dispose]();
    return this.#run(pass, false);
  }

  /** Runs the same pass on other values with the decisions that were noted. */
  repeat<T>(pass: () => T): T {
    return this.#run(pass, true);
  }

  /** @internal The next gate: 1 where a value passes, else 0. */
  gate(make: () => Tensor): Tensor {
    if (current?.repeat !== true) this.#gates.push(unscoped(make));
    const gate = this.#gates[this.#next] as Tensor;
    this.#next += 1;
    return gate;
  }

  [Symbol.dispose](): void {
    for (const gate of this.#gates.splice(0)) gate.dispose();
  }

  #run<T>(pass: () => T, repeat: boolean): T {
    const outer = current;
    current = { decisions: this, repeat };
    this.#next = 0;
    try {
      return pass();
    } finally {
      current = outer;
    }
  }
}

/** The decisions that ops must note or repeat now, if any. */
export const decisions = (): Decisions | undefined => current?.decisions;
