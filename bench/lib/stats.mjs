/** The middle value; mean of the middle two for an even count. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Smallest value that at least `share` of the values do not exceed (nearest rank). */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

/** Median, smallest and largest of the ratios a[i] / b[i] of values that were measured in turn. */
export function pairedRatio(a, b) {
  const ratios = a.map((value, index) => value / b[index]);
  return { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
}
