import { busyShare } from './machine.mjs';
import { median } from './stats.mjs';
import { table } from './table.mjs';

const WARMUP_STEPS = 3;
/** Fewer rounds than this give no median worth quoting. */
const ENOUGH_ROUNDS = 5;
/** Share of the cores that other programs may use; PyTorch suffers more from them than we do, so ratios would flatter us. */
export const QUIET = 0.1;

/** One line of an error's message. */
export const reason = (error) => String(error.message ?? error).split('\n')[0];

/** How many steps take about so many seconds; short trials say too little where a step takes microseconds. */
async function stepsIn(one, seconds) {
  for (let steps = 2; ; steps *= 4) {
    const each = await one.run(steps);
    if (each * steps >= seconds / 10) return Math.max(2, Math.ceil(seconds / each));
  }
}

/**
 * Warms every contestant up, then lets each in turn measure itself, `pairs` times over: `one.run(steps)` resolves with seconds per
 * step, which `one.secondsPerStep` collects. One that fails is left out from then on. `around` is told when one begins and ends.
 * Resolves with the share of the cores that other programs used before each measurement.
 */
export async function measureInTurn(contestants, unmeasured, { pairs, seconds, limit }, around = {}) {
  const deadline = performance.now() + 1000 * limit;
  const others = [];
  const attempt = async (one, body) => {
    try {
      await body();
    } catch (error) {
      one.failed = true;
      unmeasured.push({ what: one.name, why: reason(error) });
    }
  };
  for (const one of contestants) {
    one.secondsPerStep = [];
    await attempt(one, async () => {
      await one.run(WARMUP_STEPS);
      one.steps = await stepsIn(one, seconds);
    });
  }
  for (let pair = 0; pair < pairs && (pair === 0 || performance.now() < deadline); pair++) {
    for (const one of contestants.filter(({ failed }) => !failed)) {
      others.push(await busyShare());
      around.begin?.(one);
      await attempt(one, async () => one.secondsPerStep.push(await one.run(one.steps)));
      around.end?.(one);
    }
    process.stderr.write(`round ${pair + 1} of ${pairs}\n`);
  }
  return { median: median(others), max: Math.max(0, ...others), quiet: Math.max(0, ...others) <= QUIET };
}

/** How many measurements there are of each. */
export const roundsOf = (contestants) => Math.max(0, ...contestants.map(({ secondsPerStep }) => secondsPerStep.length));

export function printRatios(ratios) {
  const lines = ratios.map((one) => [one.what, one.median.toFixed(3), one.min.toFixed(3), one.max.toFixed(3)]);
  if (lines.length > 0) console.log(`\n${table(['ratio', 'median', 'min', 'max'], lines)}`);
}

/** Says what keeps a result from being quoted. */
export function printWarnings({ unmeasured, rounds, otherPrograms }) {
  for (const { what, why } of unmeasured) console.log(`NOT MEASURED: ${what}: ${why}`);
  if (rounds < ENOUGH_ROUNDS) console.log(`\nONLY ${rounds} ROUNDS: too few for medians to be quoted.`);
  if (otherPrograms.quiet) return;
  const percent = (100 * otherPrograms.max).toFixed(0);
  console.log(`\nNOT QUIET: other programs used up to ${percent} % of the cores. These figures are worth nothing.`);
}
