import type { ProfileSpan } from '@s2sam/native';

/** Spans as a trace that chrome://tracing and Perfetto open (Trace Event Format, complete events; times in microseconds). */
export function chromeTrace(spans: readonly ProfileSpan[]): string {
  const traceEvents = spans.map(({ op, label, begin, end, flops, bytes }) => {
    const seconds = Math.max(end - begin, 1e-9);
    return {
      name: label === '' ? op : `${op} ${label}`,
      cat: op,
      ph: 'X',
      ts: begin * 1e6,
      dur: (end - begin) * 1e6,
      pid: 1,
      tid: 1,
      args: { layer: label, gflops: flops / seconds / 1e9, gigabytesPerSecond: bytes / seconds / 1e9 },
    };
  });
  return JSON.stringify({ traceEvents, displayTimeUnit: 'ms' });
}
