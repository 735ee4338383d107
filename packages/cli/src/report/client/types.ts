/** What the page gets to draw, embedded in it as JSON. Numbers that are not finite are null: a gap in the curve. */

export type Column = (number | null)[];

/** One curve over the steps of `Chart.steps`. */
export interface Curve {
  readonly label: string;
  readonly values: Column;
  /** Points with line between them (evaluations), or a plain line. */
  readonly points: boolean;
}

export interface Chart {
  readonly title: string;
  /** Shown after values, e.g. `%`. */
  readonly unit: string;
  readonly steps: number[];
  readonly curves: readonly Curve[];
}
