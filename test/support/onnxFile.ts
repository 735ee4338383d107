/**
 * Reads ONNX files with a decoder of its own, from the wire format of protobuf and the field numbers of `onnx.proto`; knows no more than
 * the tests ask for.
 */
import { readFileSync } from 'node:fs';

type Value = bigint | Uint8Array;
type Message = ReadonlyMap<number, readonly Value[]>;

export interface ReadInitializer {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export interface ReadNode {
  readonly type: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

export interface OnnxFile {
  readonly doc: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly nodes: readonly ReadNode[];
  readonly initializers: ReadonlyMap<string, ReadInitializer>;
}

function parse(bytes: Uint8Array): Message {
  const fields = new Map<number, Value[]>();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error('a varint runs over the end of its message');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new Error('a field runs over the end of its message');
    at += length;
    return bytes.subarray(at - length, at);
  };
  const read: Readonly<Record<number, () => Value>> = {
    0: varint,
    1: () => take(8),
    2: () => take(Number(varint())),
    5: () => take(4),
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const value = read[key & 7]?.();
    if (value === undefined) throw new Error(`unknown wire type ${key & 7}`);
    const field = key >>> 3;
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

const messages = (from: Message, field: number): Message[] =>
  (from.get(field) ?? []).map((value) => parse(value as Uint8Array));
const texts = (from: Message, field: number): string[] =>
  (from.get(field) ?? []).map((value) => new TextDecoder().decode(value as Uint8Array));
const text = (from: Message, field: number): string => texts(from, field)[0] ?? '';

function initializer(tensor: Message): ReadInitializer {
  if (tensor.get(2)?.[0] !== 1n) throw new Error(`${text(tensor, 8)} is not f32`);
  const raw = tensor.get(9)?.[0] as Uint8Array;
  return { shape: (tensor.get(1) ?? []).map(Number), values: new Float32Array(Uint8Array.from(raw).buffer) };
}

export function readOnnx(path: string): OnnxFile {
  const model = parse(readFileSync(path));
  const [graph] = messages(model, 7) as [Message];
  return {
    doc: text(model, 6),
    metadata: Object.fromEntries(messages(model, 14).map((entry) => [text(entry, 1), text(entry, 2)])),
    nodes: messages(graph, 1).map((node) => ({ inputs: texts(node, 1), outputs: texts(node, 2), type: text(node, 4) })),
    initializers: new Map(messages(graph, 5).map((tensor) => [text(tensor, 8), initializer(tensor)])),
  };
}
