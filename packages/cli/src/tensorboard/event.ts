/** The four protobuf messages of an event file, encoded by hand: Event > Summary > Value > simple_value. */

const tag = (field: number, wire: 0 | 1 | 2 | 5): number => (field << 3) | wire;

/** Base-128 varint of a whole number >= 0. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) + 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

function double(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}

function float(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

const message = (field: number, body: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([tag(field, 2)]), varint(body.length), body]);

/** Event.wall_time = 1 (double, Unix seconds). */
const wallTime = (seconds: number): Buffer => Buffer.concat([Buffer.from([tag(1, 1)]), double(seconds)]);

/** Event.file_version = 3: the first event of every file. */
export const versionEvent = (seconds: number): Buffer =>
  Buffer.concat([wallTime(seconds), message(3, Buffer.from('brain.Event:2'))]);

/** Event.step = 2, Event.summary = 5 with one Value { tag = 1, simple_value = 2 } per scalar. */
export function scalarsEvent(seconds: number, step: number, scalars: Readonly<Record<string, number>>): Buffer {
  const values = Object.entries(scalars).map(([name, value]) =>
    message(1, Buffer.concat([message(1, Buffer.from(name)), Buffer.from([tag(2, 5)]), float(value)])),
  );
  return Buffer.concat([wallTime(seconds), Buffer.from([tag(2, 0)]), varint(step), message(5, Buffer.concat(values))]);
}
