import { EigenvalueDecomposition, Matrix, solve } from 'ml-matrix';

/**
 * Leverage score of each channel: the squared norm of its row in the `rank` leading right singular vectors of the matrix whose columns
 * are the filters, from the filters' inner products [C, C].
 */
export function leverageScores(products: readonly (readonly number[])[], rank: number): number[] {
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(matrixOf(products), {
    assumeSymmetric: true,
  });
  const leading = realEigenvalues
    .map((_, i) => i)
    .sort((a, b) => (realEigenvalues[b] as number) - (realEigenvalues[a] as number))
    .slice(0, rank);
  return products.map((_, channel) => leading.reduce((sum, j) => sum + eigenvectorMatrix.get(channel, j) ** 2, 0));
}

/** Distance of each filter from the span of the kept ones; 0 for those. */
export function residuals(products: readonly (readonly number[])[], kept: readonly boolean[]): number[] {
  const basis = kept.flatMap((keeps, i) => (keeps ? [i] : []));
  const others = kept.flatMap((keeps, i) => (keeps ? [] : [i]));
  const result = kept.map(() => 0);
  if (others.length === 0) return result;
  const all = matrixOf(products);
  const across = all.selection(basis, others);
  // Least squares by singular values: filters may be linearly dependent.
  const coefficients = solve(all.selection(basis, basis), across, true);
  for (const [column, i] of others.entries()) {
    const explained = across
      .getColumn(column)
      .reduce((sum, value, row) => sum + value * coefficients.get(row, column), 0);
    result[i] = Math.sqrt(Math.max(0, all.get(i, i) - explained));
  }
  return result;
}

const matrixOf = (rows: readonly (readonly number[])[]): Matrix => new Matrix(rows.map((row) => [...row]));
