/**
 * Whole numbers with this total, in proportion to the weights, none above its capacity. What a full one cannot take goes to the
 * others in the same proportion; the last units go to the largest remainders, of equal ones to the first. Where all weights left are
 * 0 they count as equal. The capacities must suffice.
 */
export function apportion(total: number, weights: readonly number[], capacity: readonly number[]): number[] {
  const counts = weights.map(() => 0);
  let open = weights.map((_, i) => i).filter((i) => (capacity[i] as number) > 0);
  let left = total;
  while (left > 0 && open.length > 0) {
    const shares = sharesOf(left, open, weights);
    const full = open.filter((i) => (shares.get(i) as number) >= (capacity[i] as number));
    if (full.length === 0) {
      roundShares(left, open, shares, counts);
      break;
    }
    for (const i of full) {
      counts[i] = capacity[i] as number;
      left -= capacity[i] as number;
    }
    open = open.filter((i) => !full.includes(i));
  }
  return counts;
}

function sharesOf(left: number, open: readonly number[], weights: readonly number[]): Map<number, number> {
  const weight = (i: number): number => weights[i] as number;
  const all = open.reduce((sum, i) => sum + weight(i), 0);
  return new Map(open.map((i) => [i, all > 0 ? (left * weight(i)) / all : left / open.length]));
}

/** Largest remainders; shares below a whole capacity stay below it when rounded up. */
function roundShares(
  left: number,
  open: readonly number[],
  shares: ReadonlyMap<number, number>,
  counts: number[],
): void {
  const share = (i: number): number => shares.get(i) as number;
  for (const i of open) counts[i] = Math.floor(share(i));
  const rest = left - open.reduce((sum, i) => sum + (counts[i] as number), 0);
  const byRemainder = [...open].sort((a, b) => (share(b) % 1) - (share(a) % 1) || a - b);
  for (const i of byRemainder.slice(0, rest)) counts[i] = (counts[i] as number) + 1;
}
