import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TensorBoard } from '../src/consumers/tensorboard.js';
import { crc32c, maskedCrc32c } from '../src/tensorboard/crc32c.js';
import { scalarsEvent, versionEvent } from '../src/tensorboard/event.js';
import { encodeRecord } from '../src/tensorboard/record.js';
import { maskEvent, startEvent, stepEvent, syntheticStart, wholeRun } from './events.js';

describe('CRC-32C', () => {
  // RFC 3720, appendix B.4, and the check value of the CRC catalogue.
  it.each([
    ['32 zeros', Buffer.alloc(32), 0x8a9136aa],
    ['32 ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
    ['rising', Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
    ['falling', Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c],
    ['digits', Buffer.from('123456789'), 0xe3069283],
  ])('%s', (_name, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });
});

describe('records', () => {
  // Written by the RecordWriter and the protobuf classes of Python's tensorboard 2.21: Event(wall_time=1700000000.25,
  // file_version='brain.Event:2'), then Event(wall_time=1700000001.5, step=300) with train/loss 1.25 and test/accuracy 0.5.
  const golden =
    '1800000000000000a37f4b220900001040fc54d9411a0d627261696e2e4576656e743a32338d2fe9' +
    '3700000000000000e7e8ca590900006040fc54d94110ac022a290a110a0a747261696e2f6c6f7373150000a03f' +
    '0a140a0d746573742f6163637572616379150000003f4030f838';

  it("are TensorBoard's own bytes", () => {
    const version = encodeRecord(versionEvent(1700000000.25));
    const scalars = encodeRecord(scalarsEvent(1700000001.5, 300, { 'train/loss': 1.25, 'test/accuracy': 0.5 }));
    expect(Buffer.concat([version, scalars]).toString('hex')).toBe(golden);
  });
});

/** Reads a file the way the formats are described, knowing nothing of the writer: records, then protobuf fields. */
function decode(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    expect(file.readUInt32LE(at + 8)).toBe(maskedCrc32c(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(file.readUInt32LE(at + 12 + length)).toBe(maskedCrc32c(data));
    records.push(data);
    at += 16 + length;
  }
  return records;
}

function fields(message: Buffer): Map<number, (Buffer | number)[]> {
  const found = new Map<number, (Buffer | number)[]>();
  let at = 0;
  const varint = (): number => {
    for (let value = 0, scale = 1; ; scale *= 128) {
      const byte = message[at++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  const value = (wire: number): Buffer | number => {
    if (wire === 0) return varint();
    const length = wire === 1 ? 8 : wire === 5 ? 4 : varint();
    at += length;
    const bytes = message.subarray(at - length, at);
    return wire === 1 ? bytes.readDoubleLE() : wire === 5 ? bytes.readFloatLE() : bytes;
  };
  while (at < message.length) {
    const key = varint();
    found.set(key >> 3, [...(found.get(key >> 3) ?? []), value(key & 7)]);
  }
  return found;
}

/** step -> tag -> value of an event file. */
function scalars(dir: string): Map<number, Record<string, number>> {
  const [name] = readdirSync(dir).filter((file) => file.includes('tfevents'));
  const result = new Map<number, Record<string, number>>();
  const [version, ...events] = decode(readFileSync(join(dir, name as string)));
  expect(String(fields(version as Buffer).get(3)?.[0])).toBe('brain.Event:2');
  for (const event of events.map(fields)) {
    const step = Number(event.get(2)?.[0] ?? 0);
    const values = fields(event.get(5)?.[0] as Buffer).get(1) ?? [];
    const entries = values
      .map((value) => fields(value as Buffer))
      .map((value) => [String(value.get(1)?.[0]), value.get(2)?.[0]]);
    result.set(step, { ...result.get(step), ...Object.fromEntries(entries) });
  }
  return result;
}

describe('event file of a run', () => {
  const written = (events: ReturnType<typeof wholeRun>): Map<number, Record<string, number>> => {
    const dir = mkdtempSync(join(tmpdir(), 's2sam-tensorboard-'));
    try {
      const board = new TensorBoard(dir, 2);
      for (const event of events) board.on(event);
      board.close();
      return scalars(dir);
    } finally {
      rmSync(dir, { recursive: true });
    }
  };

  it('holds averages of intervals, evaluations and densities', () => {
    const board = written(wholeRun());
    expect([...board.keys()]).toEqual([0, 2, 4, 6, 8]);
    expect(board.get(0)).toEqual({
      'density/total': Math.fround(0.1),
      'density/conv1.weight': 1,
      'density/layer1.0.conv1.weight': 0.25,
    });
    expect(board.get(4)).toMatchObject({
      'train/loss': 1.625,
      'train/accuracy': 0.21875,
      'train/grad_norm': 1.5,
      'train/images_per_second': 512,
      'train/lr': Math.fround(0.1),
      'test/loss': 1.75,
      'test/accuracy': 0.25,
    });
  });

  it('holds what a mask update did', () => {
    const board = written([startEvent(), maskEvent(3)]);
    expect(board.get(3)).toEqual({
      'density/total': Math.fround(0.1),
      'density/conv1.weight': 1,
      'density/layer1.0.conv1.weight': 0.25,
      'masks/dropped': 691,
      'masks/grown': 690,
      'masks/explored': 0.125,
      'masks/inference_flops_ratio': Math.fround(96_400_000 / 551_225_856),
    });
  });

  it('says synthetic in every tag of made-up data', () => {
    const board = written(wholeRun(syntheticStart()));
    const tags = [...board.values()].flatMap((values) => Object.keys(values));
    expect(tags.length).toBeGreaterThan(10);
    expect(tags.every((tag) => tag.startsWith('synthetic/'))).toBe(true);
  });

  it('takes a NaN and a large step', () => {
    const board = written([startEvent(), stepEvent(3_000_000_000, { loss: Number.NaN })]);
    expect(board.get(3_000_000_000)).toMatchObject({ 'train/loss': Number.NaN });
  });
});
