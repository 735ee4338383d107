import { busyShare } from './machine.mjs';
import { median } from './stats.mjs';

const WARMUP_STEPS = 3;
/** Fewer rounds than this give no median worth quoting. */
export const ENOUGH_ROUNDS = 5;
/** Share of the cores that other programs may use; PyTorch suffers more from them than we do, so ratios would flatter us. */
const QUIET = 0.1;

/** One line of an error's message. */
export const reason = (error) => String(error.message ?? error).split('\n')[0];

/**
 * Warms every contestant up, then lets each in turn measure itself, `pairs` times over, at least `seconds` each. One that fails is left
 * out from then on and listed in `unmeasured`. A contestant has `name` and `run(steps)` -> seconds per step; it gets `secondsPerStep`,
 * `steps`, `failed`. `around(one, body)` runs each measurement. Resolves with the share of the cores that other programs used before each.
 */
export async function measure(contestants, unmeasured, { pairs, seconds, limit }, around = (_, body) => body()) {
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
      one.steps = Math.max(2, Math.ceil(seconds / (await one.run(2))));
    });
  }
  for (let pair = 0; pair < pairs && (pair === 0 || performance.now() < deadline); pair++) {
    for (const one of contestants.filter(({ failed }) => !failed)) {
      others.push(await busyShare());
      await around(one, () => attempt(one, async () => one.secondsPerStep.push(await one.run(one.steps))));
    }
    process.stderr.write(`round ${pair + 1} of ${pairs}\n`);
  }
  return { median: median(others), max: Math.max(0, ...others), quiet: Math.max(0, ...others) <= QUIET };
}

/** How many measurements each contestant has at least. */
export const roundsOf = (contestants) => Math.max(0, ...contestants.map(({ secondsPerStep }) => secondsPerStep.length));

/** What a reader of the figures has to know: what is missing, and whether they are worth anything. */
export function printCaveats({ unmeasured, rounds, otherPrograms }) {
  for (const { what, why } of unmeasured) console.log(`NOT MEASURED: ${what}: ${why}`);
  if (rounds < ENOUGH_ROUNDS) console.log(`\nONLY ${rounds} ROUNDS: too few for medians to be quoted.`);
  if (!otherPrograms.quiet) {
    const percent = (100 * otherPrograms.max).toFixed(0);
    console.log(`\nNOT QUIET: other programs used up to ${percent} % of the cores. These figures are worth nothing.`);
  }
}
