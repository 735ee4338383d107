import { ArgumentError } from '../../errors.js';
import type { BatchNorm2d } from '../../nn/layers.js';
import type { Parameter } from '../../nn/parameter.js';
import type { Tensor } from '../../tensor/tensor.js';
import { bufferValues, maskedValues } from '../values.js';
import type { Trace } from './trace.js';

/**
 * Batch norms that a convolution can take over, by the output of the convolution: those that alone read it, where no other convolution
 * has the same weight.
 */
export function foldableNorms({ ops, logits }: Trace): Map<Tensor, BatchNorm2d> {
  const uses = new Map<Tensor | Parameter, number>([[logits, 1]]);
  for (const { inputs } of ops) for (const input of inputs) uses.set(input, (uses.get(input) ?? 0) + 1);
  const convolved = new Set<Tensor>();
  const folded = new Map<Tensor, BatchNorm2d>();
  for (const { op, inputs, output } of ops) {
    const [x, weight] = inputs as readonly [Tensor, Parameter];
    if (op.kind === 'conv2d' && op.relu !== true && uses.get(output) === 1 && uses.get(weight) === 1) {
      convolved.add(output);
    } else if (op.kind === 'batchNorm' && convolved.has(x)) {
      folded.set(x, op.norm);
    }
  }
  return folded;
}

/**
 * Biases that a batch norm adds to what it reads, by the output of the convolution before it, to which they belong in other programs.
 * Throws ArgumentError where there is no such convolution, or somebody else reads it too.
 */
export function normBiases({ ops, logits }: Trace): Map<Tensor, Parameter> {
  const readers = (value: Tensor): number =>
    ops.reduce((sum, { inputs }) => sum + inputs.filter((input) => input === value).length, value === logits ? 1 : 0);
  const biases = new Map<Tensor, Parameter>();
  for (const { op, inputs } of ops) {
    if (op.kind !== 'batchNorm' || op.inputBias === undefined) continue;
    const x = inputs[0] as Tensor;
    const producer = ops.find(({ output }) => output === x)?.op;
    if (producer?.kind !== 'conv2d' || producer.relu === true || readers(x) !== 1) {
      throw new ArgumentError(
        `exportOnnx: the batch norm ${op.norm.weight.name} adds ${op.inputBias.name} to what is not the output of a convolution alone; ` +
          'give it an input bias behind a convolution that nothing else reads',
        { op: 'exportOnnx' },
      );
    }
    biases.set(x, op.inputBias);
  }
  return biases;
}

/** What batch norm does to each channel in evaluation, in double precision: x * scale + shift. */
async function affineOf(norm: BatchNorm2d): Promise<{ scale: Float64Array; shift: Float64Array }> {
  const [gamma, beta, mean, variance] = await Promise.all([
    maskedValues(norm.weight),
    maskedValues(norm.bias),
    bufferValues(norm.running_mean),
    bufferValues(norm.running_var),
  ]);
  const scale = Float64Array.from(gamma, (g, c) => g / Math.sqrt((variance[c] as number) + norm.eps));
  const shift = Float64Array.from(beta, (b, c) => b - (mean[c] as number) * (scale[c] as number));
  return { scale, shift };
}

/** Weights [O, I, kH, kW] of a convolution that does what it and the batch norm after it do; masked ones stay exactly 0. */
export async function foldedWeights(weight: Parameter, norm: BatchNorm2d): Promise<Float32Array> {
  const [values, { scale }] = await Promise.all([maskedValues(weight), affineOf(norm)]);
  const each = values.length / scale.length;
  for (let i = 0; i < values.length; i++) {
    // Not 0 * scale, which is -0 where the scale is negative.
    if (values[i] !== 0) values[i] = (values[i] as number) * (scale[Math.floor(i / each)] as number);
  }
  return values;
}

/** Bias [O] of that convolution. @param bias that of the convolution alone, if it has one */
export async function foldedBias(bias: Parameter | undefined, norm: BatchNorm2d): Promise<Float32Array> {
  const [values, { scale, shift }] = await Promise.all([bias && maskedValues(bias), affineOf(norm)]);
  return Float32Array.from(shift, (s, c) => s + (values?.[c] ?? 0) * (scale[c] as number));
}
