import { readFileSync } from 'node:fs';
import type { HostArray } from '@s2sam/native';
import * as counter from './counter.js';

/** What PyTorch computed for one output, and how close an answer must come. */
export interface GoldenTensor {
  /** Op family, case and output, for messages. */
  readonly label: string;
  readonly shape: readonly number[];
  /** Largest difference allowed, relative to the largest value of the tensor. */
  readonly tolerance: number;
  /** Largest absolute value of the whole tensor. */
  readonly largest: number;
  /** All values, or those at `positions`. */
  readonly values: ArrayLike<number>;
  /** Of a large tensor: where the stored values lie, and signed sums over consecutive runs that see every element. */
  readonly sample?: { readonly positions: readonly number[]; readonly blocks: ArrayLike<number> };
}

export interface GoldenInput<A extends HostArray = HostArray> {
  readonly shape: readonly number[];
  readonly data: A;
}

/** Parameters of a case as `make_goldens.py` wrote them. */
// biome-ignore lint/suspicious/noExplicitAny: each test names the parameters its cases have
export type Params = Readonly<Record<string, any>>;

export interface GoldenCase {
  readonly name: string;
  readonly params: Params;
  /** An input of the call, drawn anew at each call. */
  input(name: string): GoldenInput;
  f32(name: string): GoldenInput<Float32Array>;
  output(name: string): GoldenTensor;
  has(output: string): boolean;
}

interface InputRecord {
  readonly shape: readonly number[];
  readonly kind: 'normal' | 'uniform' | 'integers' | 'pixels' | 'mask';
  readonly args: readonly number[];
}
interface OutputRecord {
  readonly shape: readonly number[];
  readonly tensor: string;
  readonly sampled?: boolean;
  readonly max?: number;
}
interface CaseRecord {
  readonly name: string;
  readonly params: Params;
  readonly inputs: Readonly<Record<string, InputRecord>>;
  readonly outputs: Readonly<Record<string, OutputRecord>>;
}
interface Manifest {
  readonly seed: number;
  readonly sample: number;
  readonly blocks: number;
  readonly groups: Readonly<Record<string, { file: string; tolerance: number; cases: CaseRecord[] }>>;
}

const folder = new URL('../golden/data/', import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('manifest.json', folder), 'utf8')) as Manifest;
const product = (shape: readonly number[]): number => shape.reduce((count, extent) => count * extent, 1);

type Tensors = ReadonlyMap<string, HostArray>;

/** The tensors of a safetensors file (8 bytes header length, JSON header, data); F32, I32 and U32 as the goldens have them. */
function readTensors(url: URL): Tensors {
  const file = readFileSync(url);
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, start)) as Record<
    string,
    { dtype: string; data_offsets: [number, number] }
  >;
  const arrays = { F32: Float32Array, I32: Int32Array, U32: Uint32Array };
  return new Map(
    Object.entries(header).map(
      ([
        name,
        {
          dtype,
          data_offsets: [begin, end],
        },
      ]) => {
        const bytes = Uint8Array.from(file.subarray(start + begin, start + end));
        return [name, new arrays[dtype as keyof typeof arrays](bytes.buffer)];
      },
    ),
  );
}

function draw(record: InputRecord, key: counter.Key): HostArray {
  const count = product(record.shape);
  const [a = 0, b = 0] = record.args;
  switch (record.kind) {
    case 'normal':
      return counter.normal(key, count, a, b);
    case 'uniform':
      return counter.uniform(key, count, a, b);
    case 'integers':
      return counter.integers(key, count, a);
    case 'pixels':
      return counter.pixels(key, count);
    case 'mask':
      return counter.mask(key, count, a);
  }
}

const samplePositions = (count: number): number[] =>
  Array.from(counter.words(counter.keyOf(manifest.seed, 'golden/sample'), manifest.sample), (word) => word % count);

function largestOf(values: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i] as number));
  return largest;
}

function goldenTensor(label: string, record: OutputRecord, tensors: Tensors, tolerance: number): GoldenTensor {
  const values = tensors.get(record.tensor);
  if (values === undefined) throw new Error(`the golden files have no tensor ${record.tensor}; run make_goldens.py`);
  const whole = { label, shape: record.shape, tolerance, values };
  const blocks = tensors.get(`${record.tensor}/blocks`);
  if (blocks === undefined) return { ...whole, largest: largestOf(values) };
  return { ...whole, largest: record.max ?? 0, sample: { positions: samplePositions(product(record.shape)), blocks } };
}

/** All cases of an op family, see `test/golden/make_goldens.py`. */
export function golden(group: string): GoldenCase[] {
  const entry = manifest.groups[group];
  if (entry === undefined) throw new Error(`the golden files have no group ${group}: ${Object.keys(manifest.groups)}`);
  const tensors = readTensors(new URL(entry.file, folder));
  return entry.cases.map(({ name, params, inputs, outputs }) => {
    const found = <T>(from: Readonly<Record<string, T>>, key: string): T => {
      const record = from[key];
      if (record === undefined) throw new Error(`golden case ${group}/${name} has no ${key}: ${Object.keys(from)}`);
      return record;
    };
    const input = (key: string): GoldenInput => {
      const record = found(inputs, key);
      return {
        shape: record.shape,
        data: draw(record, counter.keyOf(manifest.seed, `golden/${group}/${name}/${key}`)),
      };
    };
    return {
      name,
      params,
      input,
      f32: (key) => {
        const { shape, data } = input(key);
        return { shape, data: Float32Array.from(data) };
      },
      output: (key) => goldenTensor(`${group} ${name}: ${key}`, found(outputs, key), tensors, entry.tolerance),
      has: (key) => key in outputs,
    };
  });
}

/** A golden tensor made of numbers a test writes itself, e.g. from a published table. */
export function expected(
  label: string,
  values: ArrayLike<number>,
  tolerance: number,
  shape: readonly number[] = [values.length],
): GoldenTensor {
  return { label, shape, tolerance, values, largest: largestOf(values) };
}

/** Signed sums over consecutive runs, as the golden files hold them; the length of each run. */
export function blockSums(values: ArrayLike<number>): { sums: number[]; lengths: number[] } {
  const signs = blockSigns(values.length);
  const edges = Array.from({ length: manifest.blocks + 1 }, (_, k) =>
    Math.floor((k * values.length) / manifest.blocks),
  );
  const runs = edges.slice(1).map((end, k) => [edges[k] as number, end] as const);
  const sums = runs.map(([begin, end]) => {
    let sum = 0;
    for (let i = begin; i < end; i++) sum += (values[i] as number) * (signs[i] as number);
    return sum;
  });
  return { sums, lengths: runs.map(([begin, end]) => end - begin) };
}

let signs: Float32Array = new Float32Array();

function blockSigns(count: number): Float32Array {
  if (signs.length < count) signs = counter.uniform(counter.keyOf(manifest.seed, 'golden/blocks'), count, -1, 1);
  return signs;
}
