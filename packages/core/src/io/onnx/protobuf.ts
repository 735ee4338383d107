/**
 * Fields of protobuf messages (the wire format of protobuf.dev/programming-guides/encoding). A field is a list of pieces, so that a
 * message is written without being put together in memory first.
 */

/** Bytes that are there already, or that are made when their turn to be written comes. */
export type Piece = Uint8Array | { readonly byteLength: number; load(): Promise<Uint8Array> };
export type Field = readonly Piece[];

/** How the value of a field is laid out. */
const wires = { varint: 0, bytes: 2, fixed32: 5 } as const;

/** 7 bits per byte, lowest first. @param value a whole number from 0 to 2^53 - 1 */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return [...bytes, rest];
}

const tag = (field: number, wire: keyof typeof wires): number[] => varint(field * 8 + wires[wire]);

export const sizeOf = (pieces: Field): number => pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);

/** @param value a whole number from 0 to 2^53 - 1, as int32, int64 or an enumeration */
export const integer = (field: number, value: number): Field => [
  Uint8Array.of(...tag(field, 'varint'), ...varint(value)),
];

export const float = (field: number, value: number): Field => {
  const bytes = new DataView(new ArrayBuffer(4));
  bytes.setFloat32(0, value, true);
  return [Uint8Array.of(...tag(field, 'fixed32')), new Uint8Array(bytes.buffer)];
};

/** A field of bytes, or, given the fields of a message one after another, that message. */
export const message = (field: number, ...content: readonly Field[]): Field => {
  const pieces = content.flat();
  return [Uint8Array.of(...tag(field, 'bytes'), ...varint(sizeOf(pieces))), ...pieces];
};

export const text = (field: number, value: string): Field => message(field, [new TextEncoder().encode(value)]);
