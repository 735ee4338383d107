/** Stable codes: programs may switch on them. */
export type ErrorCode =
  | 'ERR_ARGUMENT'
  | 'ERR_SHAPE'
  | 'ERR_DTYPE'
  | 'ERR_DEVICE'
  | 'ERR_DISPOSED'
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_INTERNAL'
  | 'ERR_DEVICE_UNAVAILABLE'
  | 'ERR_NON_FINITE'
  | 'ERR_CHECKPOINT'
  | 'ERR_CONFIG'
  | 'ERR_DATA'
  | 'ERR_IO';

export interface ErrorOptionsWithOp {
  /** The operation that failed, as its function is called. */
  op?: string;
  cause?: unknown;
}

/** Base of every error this project throws on purpose. `message` names the op, the values and the remedy. */
export class S2Error extends Error {
  readonly code: ErrorCode;
  readonly op: string | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptionsWithOp = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.op = options.op;
  }
}

type Subclass = new (message: string, options?: ErrorOptionsWithOp) => S2Error;

const withCode = (code: ErrorCode) =>
  class extends S2Error {
    constructor(message: string, options: ErrorOptionsWithOp = {}) {
      super(code, message, options);
    }
  };

/** An argument outside its range, an unknown option. */
export class ArgumentError extends withCode('ERR_ARGUMENT') {}
/** Operands whose shapes do not go together. */
export class ShapeError extends withCode('ERR_SHAPE') {}
export class DTypeError extends withCode('ERR_DTYPE') {}
/** Operands of different devices. */
export class DeviceError extends withCode('ERR_DEVICE') {}
/** Use after dispose. */
export class DisposedError extends withCode('ERR_DISPOSED') {}
export class OutOfMemoryError extends withCode('ERR_OUT_OF_MEMORY') {}
/** A fault of ours; please report it. */
export class InternalError extends withCode('ERR_INTERNAL') {}
/** The wished device or binary cannot be used; the message says why and what to do. */
export class DeviceUnavailableError extends withCode('ERR_DEVICE_UNAVAILABLE') {}
/** Loss or gradient became NaN or infinite. */
export class NonFiniteError extends withCode('ERR_NON_FINITE') {}
/** A checkpoint that is broken or belongs to another model. */
export class CheckpointError extends withCode('ERR_CHECKPOINT') {}
export class ConfigError extends withCode('ERR_CONFIG') {}
/** A data file that is missing, truncated or corrupt. */
export class DataError extends withCode('ERR_DATA') {}
/** The operating system refused a file operation (no space, no permission). */
export class IoError extends withCode('ERR_IO') {}

const nativeClasses: Partial<Record<ErrorCode, Subclass>> = {
  ERR_ARGUMENT: ArgumentError,
  ERR_SHAPE: ShapeError,
  ERR_DTYPE: DTypeError,
  ERR_DEVICE: DeviceError,
  ERR_DISPOSED: DisposedError,
  ERR_OUT_OF_MEMORY: OutOfMemoryError,
  ERR_INTERNAL: InternalError,
};

/** Turns an error of the addon (own properties `code` and `op`) into the class of its code; others pass unchanged. */
export function fromNative(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof S2Error) return error;
  const { code, op } = error as { code?: ErrorCode; op?: string };
  const Class = code === undefined ? undefined : nativeClasses[code];
  return Class === undefined ? error : new Class(error.message, { ...(op === undefined ? {} : { op }), cause: error });
}
