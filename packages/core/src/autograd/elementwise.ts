import { BinaryOp, ReduceOp, UnaryOp } from '@s2sam/native';
import { sameDevice, Tensor } from '../tensor/tensor.js';
import { decisions } from './decisions.js';
import { copyOf, record, recordOp } from './tape.js';

const binary = (op: keyof typeof BinaryOp, a: Tensor, b: Tensor): Tensor => {
  sameDevice(op, a, b);
  return Tensor.adopt(a.device, a.device.native.binary(BinaryOp[op], a.handle, b.handle));
};

const unary = (op: keyof typeof UnaryOp, x: Tensor): Tensor =>
  Tensor.adopt(x.device, x.device.native.unary(UnaryOp[op], x.handle));

const affine = (x: Tensor, scale: number, shift: number): Tensor =>
  Tensor.adopt(x.device, x.device.native.affine(x.handle, scale, shift));

/** Frees `temporary` once the op that reads it is enqueued. */
const consume = <T>(temporary: Tensor, use: (t: Tensor) => T): T => {
  using owned = temporary;
  return use(owned);
};

/** a + b, of one shape. */
export const add = (a: Tensor, b: Tensor): Tensor =>
  recordOp({ kind: 'add' }, binary('add', a, b), [a, b], (dy, sink) => {
    sink.tensor(a, () => copyOf(dy));
    sink.tensor(b, () => copyOf(dy));
  });

/** a - b, of one shape. */
export const sub = (a: Tensor, b: Tensor): Tensor =>
  recordOp({ kind: 'sub' }, binary('sub', a, b), [a, b], (dy, sink) => {
    sink.tensor(a, () => copyOf(dy));
    sink.tensor(b, () => affine(dy, -1, 0));
  });

/** a * b element by element, of one shape. */
export const mul = (a: Tensor, b: Tensor): Tensor =>
  recordOp({ kind: 'mul' }, binary('mul', a, b), [a, b], (dy, sink) => {
    sink.tensor(a, () => binary('mul', dy, b));
    sink.tensor(b, () => binary('mul', dy, a));
  });

/** a / b element by element, of one shape. */
export const div = (a: Tensor, b: Tensor): Tensor => {
  const y = binary('div', a, b);
  return recordOp({ kind: 'div' }, y, [a, b], (dy, sink) => {
    sink.tensor(a, () => binary('div', dy, b));
    sink.tensor(b, () =>
      consume(binary('mul', dy, y), (dyy) => consume(binary('div', dyy, b), (quotient) => affine(quotient, -1, 0))),
    );
  });
};

/** scale * x + shift. */
export const scaleShift = (x: Tensor, scale: number, shift = 0): Tensor =>
  record(affine(x, scale, shift), [x], (dy, sink) => sink.tensor(x, () => affine(dy, scale, 0)));

/** x times a device scalar [1], which is taken as a constant. */
export const scaleBy = (x: Tensor, scalar: Tensor): Tensor => {
  sameDevice('scaleBy', x, scalar);
  const scaled = (value: Tensor): Tensor =>
    Tensor.adopt(x.device, x.device.native.scaleBy(value.handle, scalar.handle));
  return record(scaled(x), [x], (dy, sink) => sink.tensor(x, () => scaled(dy)));
};

/** 1 where x > 0, else 0: the derivative of the ReLU. */
const passed = (x: Tensor): Tensor =>
  consume(affine(x, 0, 1), (ones) => Tensor.adopt(x.device, x.device.native.reluBackward(ones.handle, x.handle)));

/** max(x, 0). */
export const relu = (x: Tensor): Tensor => {
  const fixed = decisions();
  if (fixed !== undefined)
    return mul(
      x,
      fixed.gate(() => passed(x)),
    );
  const y = unary('relu', x);
  return recordOp({ kind: 'relu' }, y, [x], (dy, sink) =>
    sink.tensor(x, () => Tensor.adopt(x.device, x.device.native.reluBackward(dy.handle, y.handle))),
  );
};

export const exp = (x: Tensor): Tensor => {
  const y = unary('exp', x);
  return recordOp({ kind: 'exp' }, y, [x], (dy, sink) => sink.tensor(x, () => binary('mul', dy, y)));
};

/** Natural logarithm. */
export const log = (x: Tensor): Tensor =>
  recordOp({ kind: 'log' }, unary('log', x), [x], (dy, sink) => sink.tensor(x, () => binary('div', dy, x)));

export const sqrt = (x: Tensor): Tensor => {
  const y = unary('sqrt', x);
  return recordOp({ kind: 'sqrt' }, y, [x], (dy, sink) =>
    sink.tensor(x, () => consume(binary('div', dy, y), (quotient) => affine(quotient, 0.5, 0))),
  );
};

export const square = (x: Tensor): Tensor =>
  record(unary('square', x), [x], (dy, sink) =>
    sink.tensor(x, () => consume(binary('mul', dy, x), (product) => affine(product, 2, 0))),
  );

/** |x|; has no derivative. */
export const abs = (x: Tensor): Tensor => unary('abs', x);

const reduce = (op: keyof typeof ReduceOp, x: Tensor): Tensor =>
  Tensor.adopt(x.device, x.device.native.reduce(ReduceOp[op], x.handle));

const spread = (dy: Tensor, factor: number, like: Tensor): Tensor =>
  Tensor.adopt(dy.device, dy.device.native.expand(dy.handle, factor, like.handle));

/** Sum over all elements: f32 [1]. */
export const sum = (x: Tensor): Tensor =>
  record(reduce('sum', x), [x], (dy, sink) => sink.tensor(x, () => spread(dy, 1, x)));

/** Mean over all elements: f32 [1]. */
export const mean = (x: Tensor): Tensor =>
  record(reduce('mean', x), [x], (dy, sink) => sink.tensor(x, () => spread(dy, 1 / x.size, x)));

/** Largest element: [1]. Has no derivative. */
export const max = (x: Tensor): Tensor => reduce('max', x);
/** Smallest element: [1]. Has no derivative. */
export const min = (x: Tensor): Tensor => reduce('min', x);
/** Sum of squares: [1]. Has no derivative. */
export const sumSquares = (x: Tensor): Tensor => reduce('sumSquares', x);
/** How many elements are not zero: [1]. Has no derivative. */
export const countNonzero = (x: Tensor): Tensor => reduce('countNonzero', x);

const reduceRows = (op: keyof typeof ReduceOp, x: Tensor): Tensor =>
  Tensor.adopt(x.device, x.device.native.reduceRows(ReduceOp[op], x.handle));

/** Sum over each x[i, ...] of a plain tensor: [x.shape[0]]. Has no derivative. */
export const sumRows = (x: Tensor): Tensor => reduceRows('sum', x);
/** Mean over each x[i, ...] of a plain tensor: [x.shape[0]]. Has no derivative. */
export const meanRows = (x: Tensor): Tensor => reduceRows('mean', x);

/** [N, C, H, W] -> [N, C * H * W] in logical order. */
export const flatten = (x: Tensor): Tensor => {
  const { native } = x.device;
  const [, c = 0, h = 0, w = 0] = x.shape;
  return recordOp({ kind: 'flatten' }, Tensor.adopt(x.device, native.flatten(x.handle)), [x], (dy, sink) =>
    sink.tensor(x, () => Tensor.adopt(x.device, native.unflatten(dy.handle, c, h, w))),
  );
};
