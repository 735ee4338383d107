import type { FloatName, MachinePeaks, ProfileSpan } from '@s2sam/native';

/** What bounds the time of an op: GFLOP/s of the type the network computes in, GB/s. */
export interface Limits {
  readonly arithmetic: number;
  readonly memory: number;
}

/** The limits of a machine for a network of this type. */
export function limitsOf({ arithmetic, halfArithmetic, memory }: MachinePeaks, dtype: FloatName): Limits {
  return { arithmetic: dtype === 'f32' ? arithmetic : (halfArithmetic ?? arithmetic), memory };
}

/** What several spans did, per step. */
export interface Total {
  readonly milliseconds: number;
  /** What they would take at the limits: each the longer of its arithmetic and its bytes, 0 where it counts neither. */
  readonly floor: number;
  readonly calls: number;
  readonly gflop: number;
  readonly gigabytes: number;
}

/** Ops on activations other than convolutions: what they move is counted in passes over the outputs of all convolutions. */
const ACTIVATION_OPS = new Set([
  'batchNormTrain',
  'batchNormBackward',
  'addInto',
  'unary',
  'binary',
  'affine',
  'reluBackward',
  'maxPool',
  'maxPoolBackward',
  'avgPool',
  'avgPoolBackward',
  'globalAvgPool',
  'globalAvgPoolBackward',
]);

const nothing: Total = { milliseconds: 0, floor: 0, calls: 0, gflop: 0, gigabytes: 0 };

/** The sums of spans that `key` calls the same, largest first; `steps`: how many steps the spans are of. */
export function totals(
  spans: readonly ProfileSpan[],
  steps: number,
  limits: Limits,
  key: (span: ProfileSpan) => string,
): Map<string, Total> {
  const sums = new Map<string, Total>();
  for (const span of spans) {
    const { milliseconds, floor, calls, gflop, gigabytes } = sums.get(key(span)) ?? nothing;
    const [gflops, bytes] = [span.flops / 1e9 / steps, span.bytes / 1e9 / steps];
    sums.set(key(span), {
      milliseconds: milliseconds + ((span.end - span.begin) * 1000) / steps,
      floor: floor + 1000 * Math.max(gflops / limits.arithmetic, bytes / limits.memory),
      calls: calls + 1 / steps,
      gflop: gflop + gflops,
      gigabytes: gigabytes + bytes,
    });
  }
  return new Map([...sums].sort(([, a], [, b]) => b.milliseconds - a.milliseconds));
}

/**
 * How often one step reads or writes as many bytes of activations as all its convolutions compute, outside of convolutions. Each
 * tensor an op reads or writes counts once, however often the op goes over it in the caches. `outputs`: values all convolutions
 * compute in one forward pass of the batch; `dtype`: what they are stored in.
 */
export function activationPasses(
  spans: readonly ProfileSpan[],
  steps: number,
  outputs: number,
  dtype: FloatName,
): number {
  const bytes = spans.filter(({ op }) => ACTIVATION_OPS.has(op)).reduce((sum, span) => sum + span.bytes, 0);
  return bytes / steps / ((dtype === 'f32' ? 4 : 2) * outputs);
}

/** Milliseconds of all spans, per step. */
export const opMilliseconds = (spans: readonly ProfileSpan[], steps: number): number =>
  spans.reduce((sum, { begin, end }) => sum + (end - begin) * 1000, 0) / steps;
