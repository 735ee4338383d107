import { ArgumentError } from '../errors.js';
import type { Parameter } from '../nn/parameter.js';
import { Tensor } from '../tensor/tensor.js';
import type { Op } from './op.js';

/** What an op's derivative writes to. */
export interface GradientSink {
  /**
   * Adds a contribution to the gradient of `x`, unless nobody needs it. `make` may add to `into` and return it (a fused add), or
   * return a new tensor, which is added.
   */
  tensor(x: Tensor, make: (into: Tensor | undefined) => Tensor): void;
  /** Writes the gradient of a parameter, or adds to it where `accumulate` says so. */
  parameter(p: Parameter, write: (accumulate: boolean) => void): void;
  /** Whether anybody needs the gradient of `x`. */
  needs(x: Tensor): boolean;
}

/** Given the gradient of an op's output, hands those of its inputs to the sink. */
export type Derivative = (dy: Tensor, sink: GradientSink) => void;

interface Entry {
  readonly output: Tensor;
  /** Tensors only the derivative needs. */
  readonly saved: readonly Tensor[];
  readonly derivative: Derivative;
  /** What was computed; undefined where `record` was not told. */
  readonly op?: Op | undefined;
}

let current: Tape | undefined;

export interface BackwardOptions {
  /** Add to the parameters' gradients instead of replacing them (gradient accumulation). Default false. */
  readonly accumulate?: boolean;
  /** Dispose each recorded tensor as soon as no derivative needs it, except the one `backward` is called on and these. */
  readonly release?: { readonly keep: readonly Tensor[] };
}

/**
 * Eager reverse-mode differentiation: `record` runs a function and notes each op with its derivative; `backward` walks the notes in
 * reverse. One tape serves one backward pass.
 */
export class Tape {
  readonly #entries: Entry[] = [];
  readonly #tracked = new Set<Tensor>();
  readonly #watched = new Set<Tensor>();
  readonly #gradients = new Map<Tensor, Tensor>();
  readonly #written = new Set<Parameter>();

  /** Asks for the gradient of a tensor that no op made. */
  watch(...tensors: readonly Tensor[]): void {
    for (const tensor of tensors) {
      this.#tracked.add(tensor);
      this.#watched.add(tensor);
    }
  }

  /** Runs a synchronous function with this tape noting its ops. */
  record<T>(body: () => T): T {
    const outer = current;
    current = this;
    try {
      return body();
    } finally {
      current = outer;
    }
  }

  /** Gradient of a watched tensor after `backward`; undefined when the result does not depend on it. The caller disposes it. */
  gradient(x: Tensor): Tensor | undefined {
    return this.#gradients.get(x);
  }

  /** Parameters that `backward` reached. */
  get parameters(): ReadonlySet<Parameter> {
    return this.#written;
  }

  /** @internal Called by ops through `record`. Returns whether the derivative will be needed. */
  note(entry: Entry, inputs: readonly (Tensor | Parameter)[]): boolean {
    const needed = inputs.some((input) => !(input instanceof Tensor) || this.#tracked.has(input));
    if (!needed) return false;
    this.#tracked.add(entry.output);
    this.#entries.push(entry);
    return true;
  }

  /**
   * Differentiates y (summed over its elements, weighted by `seed`, default ones) with respect to all parameters, whose `gradient` is
   * written, and all watched tensors.
   */
  backward(y: Tensor, seed?: Tensor, options: BackwardOptions = {}): void {
    if (!this.#tracked.has(y)) {
      throw new ArgumentError('backward: the tensor was not made from a parameter or a watched tensor on this tape', {
        op: 'backward',
      });
    }
    this.#gradients.set(y, seed === undefined ? ones(y) : copyOf(seed));
    const sink = this.#sink(options.accumulate ?? false);
    const keep = new Set([y, ...(options.release?.keep ?? [])]);
    for (const entry of this.#entries.reverse()) {
      const dy = this.#gradients.get(entry.output);
      if (dy !== undefined) {
        entry.derivative(dy, sink);
        if (!this.#watched.has(entry.output)) {
          this.#gradients.delete(entry.output);
          dy.dispose();
        }
      }
      if (options.release !== undefined) {
        for (const tensor of [entry.output, ...entry.saved]) if (!keep.has(tensor)) tensor.dispose();
      }
    }
    this.#entries.length = 0;
  }

  #sink(accumulate: boolean): GradientSink {
    return {
      needs: (x) => this.#tracked.has(x),
      tensor: (x, make) => {
        if (!this.#tracked.has(x)) return;
        const into = this.#gradients.get(x);
        const made = make(into);
        if (into !== undefined && made !== into) {
          into.device.native.addInto(made.handle, 1, into.handle);
          made.dispose();
        } else {
          this.#gradients.set(x, made);
        }
      },
      parameter: (p, write) => {
        write(accumulate || this.#written.has(p));
        this.#written.add(p);
      },
    };
  }
}

/** Whether a tape notes the ops called now. */
export const recording = (): boolean => current !== undefined;

/** Notes an op on the tape that records, if one does. `saved`: tensors that only the derivative needs; freed where none is. */
export function record(
  output: Tensor,
  inputs: readonly (Tensor | Parameter)[],
  derivative: Derivative,
  saved: readonly Tensor[] = [],
): Tensor {
  return recordOp(undefined, output, inputs, derivative, saved);
}

/** `record`, and says what was computed, so that a network of such ops can be exported. */
export function recordOp(
  op: Op | undefined,
  output: Tensor,
  inputs: readonly (Tensor | Parameter)[],
  derivative: Derivative,
  saved: readonly Tensor[] = [],
): Tensor {
  const noted = current?.note({ output, saved, derivative, op }, inputs) ?? false;
  if (!noted) for (const tensor of saved) tensor.dispose();
  return output;
}

export function copyOf(x: Tensor): Tensor {
  return Tensor.adopt(x.device, x.device.native.affine(x.handle, 1, 0));
}

function ones(like: Tensor): Tensor {
  const tensor = like.device.zeros(like.shape, {
    dtype: like.dtype,
    activation: like.device.native.isActivation(like.handle),
  });
  tensor.fill(1);
  return tensor;
}
