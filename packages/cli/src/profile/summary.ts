import type { ProfileSpan } from '@s2sam/native';

/** What several spans did, per step. */
export interface Total {
  readonly milliseconds: number;
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

/** The sums of spans that `key` calls the same, largest first; `steps`: how many steps the spans are of. */
export function totals(
  spans: readonly ProfileSpan[],
  steps: number,
  key: (span: ProfileSpan) => string,
): Map<string, Total> {
  const sums = new Map<string, Total>();
  for (const span of spans) {
    const { milliseconds, calls, gflop, gigabytes } = sums.get(key(span)) ?? {
      milliseconds: 0,
      calls: 0,
      gflop: 0,
      gigabytes: 0,
    };
    sums.set(key(span), {
      milliseconds: milliseconds + ((span.end - span.begin) * 1000) / steps,
      calls: calls + 1 / steps,
      gflop: gflop + span.flops / 1e9 / steps,
      gigabytes: gigabytes + span.bytes / 1e9 / steps,
    });
  }
  return new Map([...sums].sort(([, a], [, b]) => b.milliseconds - a.milliseconds));
}

/**
 * How often one step reads or writes as many bytes of activations as all its convolutions compute, outside of convolutions. Each
 * tensor an op reads or writes counts once, however often the op goes over it in the caches. `outputs`: values all convolutions
 * compute in one forward pass of the batch (f32).
 */
export function activationPasses(spans: readonly ProfileSpan[], steps: number, outputs: number): number {
  const bytes = spans.filter(({ op }) => ACTIVATION_OPS.has(op)).reduce((sum, span) => sum + span.bytes, 0);
  return bytes / steps / (4 * outputs);
}

/** Milliseconds of all spans, per step. */
export const opMilliseconds = (spans: readonly ProfileSpan[], steps: number): number =>
  spans.reduce((sum, { begin, end }) => sum + (end - begin) * 1000, 0) / steps;
