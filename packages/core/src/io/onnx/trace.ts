import type { Op } from '../../autograd/op.js';
import { Tape } from '../../autograd/tape.js';
import { ArgumentError } from '../../errors.js';
import type { Classifier } from '../../models/classifier.js';
import { type DryPass, dryPass } from '../../models/dryPass.js';
import type { Parameter } from '../../nn/parameter.js';
import type { Tensor } from '../../tensor/tensor.js';

/** One op of a forward pass. Tensors stand for the values between ops; what they held is gone. */
export interface TracedOp {
  readonly op: Op;
  readonly inputs: readonly (Tensor | Parameter)[];
  readonly output: Tensor;
}

export interface Trace extends DryPass {
  /** In the order of computation. */
  readonly ops: readonly TracedOp[];
}

/** Notes what is computed, and asks for no derivative. */
class OpTape extends Tape {
  readonly ops: TracedOp[] = [];

  override note({ op, output }: Parameters<Tape['note']>[0], inputs: Parameters<Tape['note']>[1]): boolean {
    if (op === undefined) {
      throw new ArgumentError(
        `exportOnnx: an op that makes ${JSON.stringify(output.shape)} of ${JSON.stringify(inputs.map(({ shape }) => shape))} ` +
          'cannot be exported; build the model of convolutions, linear layers, batch norm, pooling, flatten, + - * /, ReLU, ' +
          'exp, log and sqrt',
        { op: 'exportOnnx' },
      );
    }
    this.ops.push({ op, output, inputs });
    return false;
  }
}

/** The ops of a forward pass in evaluation, from a pass that is recorded and never run. */
export function traceOps(model: Classifier, size: readonly [number, number]): Trace {
  const tape = new OpTape();
  const pass = dryPass(model, size, tape);
  return { ...pass, ops: tape.ops };
}
