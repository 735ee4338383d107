/** A graph of ONNX operators, as far as networks of this library need it (github.com/onnx/onnx, `onnx.proto`). */
export interface OnnxGraph {
  readonly name: string;
  readonly doc: string;
  readonly input: OnnxValue;
  readonly output: OnnxValue;
  /** In the order of computation. */
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly Initializer[];
  /** By name, for people and tools. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** f32; a string is an extent known only when the network runs. */
export interface OnnxValue {
  readonly name: string;
  readonly shape: readonly (number | string)[];
}

export type Attribute = { readonly int: number } | { readonly ints: readonly number[] } | { readonly float: number };
export type Attributes = Readonly<Record<string, Attribute>>;

export interface OnnxNode {
  /** Of the node, and of the value it computes. */
  readonly name: string;
  /** Operator of ONNX's own domain, e.g. `Conv`. */
  readonly type: string;
  readonly inputs: readonly string[];
  readonly attributes: Attributes;
}

/** An f32 constant, read from the device when it is written. */
export interface Initializer {
  readonly name: string;
  readonly shape: readonly number[];
  load(): Promise<Float32Array>;
}
