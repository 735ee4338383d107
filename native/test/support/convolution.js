export const outputSize = ({ h, w, kernel, stride, pad }) => [
  Math.floor((h + 2 * pad[0] - kernel[0]) / stride[0]) + 1,
  Math.floor((w + 2 * pad[1] - kernel[1]) / stride[1]) + 1,
];
/** Calls visit with the row-major positions in x [N,C,H,W], w [O,C,kH,kW] and y [N,O,H',W'] of every product. */
function eachProduct(s, visit) {
  const [outH, outW] = outputSize(s);
  const [kernelH, kernelW] = s.kernel;
  for (let n = 0; n < s.n; n++)
    for (let o = 0; o < s.o; o++)
      for (let h = 0; h < outH; h++)
        for (let w = 0; w < outW; w++)
          for (let c = 0; c < s.c; c++)
            for (let i = 0; i < kernelH; i++)
              for (let j = 0; j < kernelW; j++) {
                const row = h * s.stride[0] - s.pad[0] + i;
                const column = w * s.stride[1] - s.pad[1] + j;
                if (row < 0 || row >= s.h || column < 0 || column >= s.w) continue;
                visit(
                  ((n * s.c + c) * s.h + row) * s.w + column,
                  ((o * s.c + c) * kernelH + i) * kernelW + j,
                  ((n * s.o + o) * outH + h) * outW + w,
                );
              }
}
/** y, dx and dw for x, w and dy. */
export function convolution(s, x, w, dy) {
  const sums = (count) => ({ value: new Float64Array(count), size: new Float64Array(count) });
  const [y, dx, dw] = [sums(dy.length), sums(x.length), sums(w.length)];
  const add = (to, i, product) => {
    to.value[i] = (to.value[i] ?? 0) + product;
    to.size[i] = (to.size[i] ?? 0) + Math.abs(product);
  };
  eachProduct(s, (i, j, k) => {
    const [a, b, g] = [x[i] ?? 0, w[j] ?? 0, dy[k] ?? 0];
    add(y, k, a * b);
    add(dx, i, g * b);
    add(dw, j, g * a);
  });
  return { y, dx, dw };
}
/** The largest error of `got` in parts of the sizes. */
export function worstError(got, expected) {
  let worst = 0;
  for (let i = 0; i < expected.value.length; i++) {
    const error = Math.abs((got[i] ?? Number.NaN) - (expected.value[i] ?? 0)) / ((expected.size[i] ?? 0) + 1e-3);
    if (!(error <= worst)) worst = error;
  }
  return worst;
}
/** `to` plus values that were there before. */
export const plus = (to, before) => ({
  value: to.value.map((value, i) => value + (before[i] ?? 0)),
  size: to.size.map((size, i) => size + Math.abs(before[i] ?? 0)),
});
//# sourceMappingURL=convolution.js.map
