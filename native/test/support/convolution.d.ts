/** A convolution worked out naively, in double, from PyTorch's definition; a linear layer is one of images of one pixel. */
export interface Case {
  readonly n: number;
  readonly c: number;
  readonly h: number;
  readonly w: number;
  readonly o: number;
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly pad: readonly [number, number];
}
export declare const outputSize: ({ h, w, kernel, stride, pad }: Case) => [number, number];
/** A sum, and the sum of the absolute values of what was added, by which its rounding errors are measured. */
export interface Sums {
  readonly value: Float64Array;
  readonly size: Float64Array;
}
/** y, dx and dw for x, w and dy. */
export declare function convolution(
  s: Case,
  x: Float32Array,
  w: Float32Array,
  dy: Float32Array,
): Record<'y' | 'dx' | 'dw', Sums>;
/** The largest error of `got` in parts of the sizes. */
export declare function worstError(got: ArrayLike<number>, expected: Sums): number;
/** `to` plus values that were there before. */
export declare const plus: (to: Sums, before: Float32Array) => Sums;
//# sourceMappingURL=convolution.d.ts.map
