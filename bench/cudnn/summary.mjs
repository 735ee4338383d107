// What of a case is worth keeping, and how it is shown.
import { median } from '../lib/stats.mjs';

/** Reasons that say nothing of the pattern: engines for other GPUs, and cuDNN's own placeholders. */
const EMPTY = /engine -1:|getStatus\(\)|Blackwell|SM10x|SM120|cutlass_sm7x|INVALID_DATA_CONFIG/;

const numberOf = ({ name }) => Number(name.slice(0, name.indexOf('(')));

/** The configurations of one engine. What goes without saying is left out, since there are thousands of these. */
function summarizeEngine(engine, configs) {
  const made = configs.filter(({ workspace }) => workspace !== undefined);
  const tried = configs.filter((one) => one.tried).length;
  const { compiles, notes } = configs[0];
  const refusal = configs.find((one) => one.refusal !== undefined)?.refusal;
  return {
    engine,
    found: configs.length,
    ...(tried === configs.length ? {} : { tried }),
    plans: made.length,
    ...(compiles ? { compiles } : {}),
    ...(notes.length > 0 ? { notes } : {}),
    ...(made.length > 0 ? { leastWorkspace: Math.min(...made.map(({ workspace }) => workspace)) } : {}),
    ...(made.length > 0 && compiles ? { planMs: Math.round(1e3 * median(made.map(({ seconds }) => seconds))) } : {}),
    ...(refusal === undefined ? {} : { refusal }),
  };
}

const summarizeTimes = (times, { bytes, flop }) =>
  times.map(({ name, milliseconds }) => {
    const ms = median(milliseconds);
    return { name, milliseconds, medianMs: ms, gbPerSecond: bytes / ms / 1e6, tflopPerSecond: flop / ms / 1e9 };
  });

/** A case as it is kept. Engines that cuDNN names only in fallback mode come last. */
export function summarize({ pattern, layer, dtype, scales, bytes, flop, engines, refusals, times, failure }) {
  const numbers = [...new Set(engines.map(numberOf))];
  const summaries = numbers.map((number) =>
    summarizeEngine(
      number,
      engines.filter((one) => numberOf(one) === number),
    ),
  );
  const plans = summaries.reduce((sum, one) => sum + one.plans, 0);
  return {
    pattern,
    layer,
    dtype,
    ...(scales === '' ? {} : { scales }),
    bytes,
    flop,
    found: {
      a: engines.filter(({ fallback }) => !fallback).length,
      fallback: engines.filter((one) => one.fallback).length,
    },
    plans,
    engines: summaries,
    ...(plans === 0 ? { refusals: refusals.filter((one) => !EMPTY.test(one)) } : {}),
    ...(failure === '' ? {} : { failure }),
    ...(times.length > 0 ? { times: summarizeTimes(times, { bytes, flop }) } : {}),
  };
}

export const isReady = ({ engines }) => engines.some(({ plans, compiles }) => plans > 0 && !compiles);

/** Of cases that differ in the type of scales: one with kernels that are there, else one with plans. */
export const bestOf = (cases) => cases.find(isReady) ?? cases.find(({ plans }) => plans > 0) ?? cases[0];

/** The refusal that tells most: of a plan that failed, else of an engine that was not even named. */
export function reasonOf({ engines, refusals = [] }) {
  const failed = engines.find(({ refusal }) => refusal !== undefined)?.refusal;
  return failed ?? refusals[0] ?? 'cuDNN considered no engine';
}

/** How a case is shown in a table. */
export function cellOf(one) {
  if (one === undefined) return '';
  if (one.failure !== undefined) return `failed: ${one.failure}`;
  if (one.plans === 0) return `none: ${reasonOf(one)}`;
  const kind = isReady(one) ? 'ready' : 'compiled';
  const scales = one.scales === undefined ? '' : `, scales ${one.scales}`;
  const fastest = one.times?.reduce((best, time) => (time.medianMs < best.medianMs ? time : best));
  const speed =
    fastest &&
    `${fastest.medianMs.toFixed(3)} ms, ${fastest.gbPerSecond.toFixed(0)} GB/s, ${fastest.tflopPerSecond.toFixed(0)} TFLOP/s`;
  return speed ?? `${one.plans} ${one.plans === 1 ? 'plan' : 'plans'}, ${kind}${scales}`;
}
