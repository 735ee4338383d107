import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CheckpointError, IoError } from '../src/errors.js';
import { writeFileAtomically } from '../src/io/atomic.js';
import { type DeferredTensor, type NamedTensor, readSafetensors, writeSafetensors } from '../src/io/safetensors.js';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

let root: string;
let folder: string;
let path: string;
let count = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 's2sam-io-'));
});
beforeEach(async () => {
  folder = join(root, `${count++}`);
  path = join(folder, 'model.safetensors');
  await mkdir(folder);
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Whether a file system cannot be mounted here (no unshare, no user namespaces); says so. */
function mountRefused(): boolean {
  try {
    execFileSync('unshare', ['--map-root-user', '--mount', 'mount', '-t', 'tmpfs', 'none', tmpdir()], {
      stdio: 'pipe',
    });
    return false;
  } catch (error) {
    console.log(
      `skipped: full and read-only disks, since none can be mounted: ${(error as Error).message.split('\n')[0]}`,
    );
    return true;
  }
}

const rejection = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => expect.fail('it should have failed'),
    (error) => error as Error,
  );

describe('safetensors', () => {
  const tensors: NamedTensor[] = [
    { name: 'flags', dtype: 'U8', shape: [3], data: Uint8Array.of(0, 1, 255) },
    {
      name: 'fc.weight',
      dtype: 'F32',
      shape: [2, 2],
      data: Float32Array.of(1.5, -0, Number.NaN, Number.NEGATIVE_INFINITY),
    },
    { name: 'steps', dtype: 'I64', shape: [], data: BigInt64Array.of(-(2n ** 63n)) },
    { name: 'labels', dtype: 'I32', shape: [1, 2], data: Int32Array.of(-2147483648, 7) },
    { name: 'bits', dtype: 'U32', shape: [2], data: Uint32Array.of(0xffffffff, 1) },
    { name: 'empty', dtype: 'F32', shape: [0, 8], data: new Float32Array(0) },
    { name: '__proto__', dtype: 'U8', shape: [1], data: Uint8Array.of(9) },
  ];

  it('gives back every type, shape and bit pattern, and the metadata', async () => {
    const metadata = { step: '12', 'naïve "key"': 'line\nbreak' };
    await writeSafetensors(path, tensors, metadata);
    const file = await readSafetensors(path);
    expect(file.metadata).toEqual(metadata);
    expect(file.tensors.size).toBe(tensors.length);
    for (const { name, ...tensor } of tensors) expect(file.tensors.get(name)).toEqual(tensor);
  });

  it('takes an iterable once and views into larger buffers', async () => {
    const large = Float32Array.from({ length: 10 }, (_, index) => index);
    const once = (function* (): Generator<NamedTensor> {
      yield { name: 'view', dtype: 'F32', shape: [3], data: large.subarray(4, 7) };
    })();
    await writeSafetensors(path, once);
    expect((await readSafetensors(path)).tensors.get('view')?.data).toEqual(Float32Array.of(4, 5, 6));
  });

  it('writes the bytes of the format: length, JSON padded to 8, data aligned by falling element size', async () => {
    await writeSafetensors(path, [
      { name: 'b', dtype: 'U8', shape: [1], data: Uint8Array.of(7) },
      { name: 'a', dtype: 'F32', shape: [1], data: Float32Array.of(1) },
    ]);
    const json =
      '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[1],"data_offsets":[4,5]}}';
    const padded = json.padEnd(112);
    expect([json.length, padded.length % 8]).toEqual([106, 0]);
    const expected = Buffer.concat([
      Buffer.of(112, 0, 0, 0, 0, 0, 0, 0),
      Buffer.from(padded),
      Buffer.of(0, 0, 128, 63, 7),
    ]);
    expect(await readFile(path)).toEqual(expected);
  });

  it('reads what the safetensors library of Python wrote', async () => {
    const { metadata, tensors: read } = await readSafetensors(here('fixtures/pytorch.safetensors'));
    expect(metadata).toEqual({ format: 'pt', note: 'fünf' });
    expect(Object.fromEntries(read)).toEqual({
      'conv.weight': {
        dtype: 'F32',
        shape: [2, 3, 1, 2],
        data: Float32Array.of(-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75),
      },
      half: {
        dtype: 'F32',
        shape: [8],
        data: Float32Array.of(0, -1.5, 65504, 2 ** -14, 2 ** -24, Infinity, -Infinity, Number.NaN),
      },
      brain: { dtype: 'F32', shape: [4], data: Float32Array.of(1, -3.140625, 2 ** 120, Infinity) },
      'bn.num_batches_tracked': { dtype: 'I64', shape: [], data: BigInt64Array.of(12345678901234n) },
      labels: { dtype: 'I32', shape: [1, 3], data: Int32Array.of(-1, 2, -3) },
      bytes: { dtype: 'U8', shape: [3], data: Uint8Array.of(0, 127, 255) },
      empty: { dtype: 'F32', shape: [0, 4], data: new Float32Array(0) },
    });
  });

  const one = (extra: Partial<Record<'name' | 'dtype' | 'shape' | 'data', unknown>>) =>
    ({ name: 'w', dtype: 'F32', shape: [2], data: new Float32Array(2), ...extra }) as NamedTensor;

  it.each([
    ['a wrong length', [one({ shape: [3] })], /'w' is F32 \[3\] but its data is a Float32Array of length 2/],
    ['a wrong array', [one({ dtype: 'I32' })], /'w' is I32 \[2\] but its data is a Float32Array/],
    ['an unknown type', [one({ dtype: 'F8' })], /'w' is F8/],
    ['a fractional shape', [one({ shape: [0.5, 4] })], /'w' is F32 \[0\.5,4\]/],
    ['a name used twice', [one({}), one({})], /'w' is used twice/],
    ['the reserved name', [one({ name: '__metadata__' })], /'__metadata__' is reserved/],
  ])('refuses to write %s and leaves no file', async (_, wrong, message) => {
    const error = await rejection(writeSafetensors(path, wrong));
    expect(error).toMatchObject({ name: 'ArgumentError', message: expect.stringMatching(message) });
    expect(await readdir(folder)).toEqual([]);
  });

  it('holds one deferred tensor at a time, and leaves no file where one breaks its word', async () => {
    const events: string[] = [];
    const deferred = (name: string, length: number): DeferredTensor => ({
      name,
      dtype: 'F32',
      shape: [2],
      load: async () => {
        events.push(`${name} asked for`);
        await new Promise((resolve) => setTimeout(resolve, 5));
        events.push(`${name} there`);
        return new Float32Array(length).fill(events.length);
      },
    });
    await writeSafetensors(path, [deferred('a', 2), deferred('b', 2)]);
    expect(events).toEqual(['a asked for', 'a there', 'b asked for', 'b there']);
    const { tensors } = await readSafetensors(path);
    expect([...tensors.values()].map(({ data }) => [...data])).toEqual([
      [2, 2],
      [4, 4],
    ]);
    await rm(path);
    const error = await rejection(writeSafetensors(path, [deferred('a', 2), deferred('b', 3)]));
    expect(error).toMatchObject({ name: 'ArgumentError', message: expect.stringMatching(/'b' is F32 \[2\] but/) });
    expect(await readdir(folder)).toEqual([]);
  });

  it('says which file is missing', async () => {
    const error = await rejection(readSafetensors(path));
    expect(error).toBeInstanceOf(IoError);
    expect(error.message).toContain(path);
    expect(error.message).toMatch(/does not exist.*ENOENT/);
  });

  describe('corruption', () => {
    /** A file with this header (JSON, or text as it is) and so many bytes of data. */
    const craft = async (header: unknown, dataBytes: number): Promise<Error> => {
      const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(json.length));
      await writeFile(path, Buffer.concat([length, json, Buffer.alloc(dataBytes)]));
      return rejection(readSafetensors(path));
    };
    const expectBroken = (error: Error, message: RegExp) => {
      expect(error).toBeInstanceOf(CheckpointError);
      expect(error.message).toContain(path);
      expect(error.message).toMatch(message);
      expect(error.message).toMatch(/; (the file is damaged, take|check that|store it as)/);
    };
    const a = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };

    it('accepts the sound file the cases below are made from', async () => {
      await expect(craft({ a }, 8)).rejects.toThrow('it should have failed');
    });

    it('accepts tensors described in another order than they are stored', async () => {
      const b = { dtype: 'U8', shape: [1], data_offsets: [8, 9] };
      await expect(craft({ b, a }, 9)).rejects.toThrow('it should have failed');
      expect([...(await readSafetensors(path)).tensors.keys()]).toEqual(['a', 'b']);
    });

    it('notices a file cut off at any byte, and one byte too many', async () => {
      await writeSafetensors(path, tensors, { step: '1' });
      const whole = await readFile(path);
      for (let length = 0; length < whole.length; length++) {
        await writeFile(path, whole.subarray(0, length));
        expectBroken(await rejection(readSafetensors(path)), /truncated: /);
      }
      await writeFile(path, Buffer.concat([whole, Buffer.alloc(1)]));
      expectBroken(await rejection(readSafetensors(path)), /1 bytes from offset \d+ on belong to no tensor/);
    });

    it('notices a header length that cannot be', async () => {
      await writeFile(path, Buffer.alloc(64, 0xff));
      expectBroken(
        await rejection(readSafetensors(path)),
        /header length at offset 0 is 18446744073709551615, above the limit/,
      );
    });

    it.each([
      ['no JSON', '{"a": ', 8, /header at offset 8 \(6 bytes\) is not JSON/],
      ['no object', '[]', 0, /not a JSON object/],
      [
        'metadata that is not text',
        { __metadata__: { step: 1 } },
        0,
        /__metadata__ in the header is not an object of strings/,
      ],
      ['a tensor that is no object', { a: 3 }, 0, /tensor 'a' has the unknown dtype undefined/],
      [
        'an unknown type',
        { a: { ...a, dtype: 'F8_E4M3' } },
        8,
        /tensor 'a' has the unknown dtype "F8_E4M3"; store it as one of F32, F16/,
      ],
      ['a type named like a method', { a: { ...a, dtype: 'toString' } }, 8, /unknown dtype "toString"/],
      ['a negative extent', { a: { ...a, shape: [-2, -1] } }, 8, /tensor 'a' has the shape \[-2,-1\]/],
      ['no shape', { a: { ...a, shape: null } }, 8, /tensor 'a' has the shape null/],
      ['no offsets', { a: { dtype: 'F32', shape: [2] } }, 8, /tensor 'a' has the data_offsets undefined/],
      ['three offsets', { a: { ...a, data_offsets: [0, 8, 8] } }, 8, /tensor 'a' has the data_offsets \[0,8,8\]/],
      ['offsets backwards', { a: { ...a, data_offsets: [8, 0] } }, 8, /tensor 'a' has the data_offsets \[8,0\]/],
      ['fractional offsets', { a: { ...a, data_offsets: [0, 7.5] } }, 8, /tensor 'a' has the data_offsets \[0,7\.5\]/],
      ['offsets beyond 2^53', { a: { ...a, data_offsets: [0, 1e300] } }, 8, /tensor 'a' has the data_offsets/],
      ['too few bytes', { a: { ...a, shape: [3] } }, 8, /tensor 'a' has 8 bytes .* F32 \[3\] takes 12 bytes/],
      ['a shape beyond all memory', { a: { ...a, shape: [2 ** 40, 2 ** 40] } }, 8, /tensor 'a' has 8 bytes/],
      [
        'an offset out of range',
        { a: { ...a, shape: [1000], data_offsets: [0, 4000] } },
        8,
        /truncated: tensor 'a' ends at byte/,
      ],
      [
        'an overlap',
        { a, b: { ...a, data_offsets: [4, 12] } },
        12,
        /'b' overlaps tensor 'a': it begins at data offset 4 instead of 8/,
      ],
      ['a gap', { a, b: { ...a, data_offsets: [12, 20] } }, 20, /'b' leaves a gap after tensor 'a'.* 12 instead of 8/],
      ['a gap before the first', { a: { ...a, data_offsets: [4, 12] } }, 12, /'a' leaves a gap after the header/],
      ['bytes of no tensor', { a }, 11, /3 bytes from offset \d+ on belong to no tensor/],
    ])('notices %s', async (_, header, dataBytes, message) => {
      expectBroken(await craft(header, dataBytes), message);
    });

    it('notices a header that is not UTF-8', async () => {
      await writeFile(path, Buffer.of(2, 0, 0, 0, 0, 0, 0, 0, 0xc3, 0x28));
      expectBroken(await rejection(readSafetensors(path)), /not JSON/);
    });
  });
});

describe('writeFileAtomically', () => {
  const write = (text: string, target = path) =>
    writeFileAtomically(target, async (handle) => void (await handle.write(text)));
  const expectOnly = async (text: string) => {
    expect(await readFile(path, 'utf8')).toBe(text);
    expect(await readdir(folder)).toEqual(['model.safetensors']);
  };

  it('makes and replaces a file and leaves nothing beside it', async () => {
    await write('old');
    await expectOnly('old');
    await write('new');
    await expectOnly('new');
  });

  it('keeps the old file under its name until the new one is whole', async () => {
    await write('old');
    await writeFileAtomically(path, async (handle) => {
      await handle.write('ne');
      expect(await readFile(path, 'utf8')).toBe('old');
      await handle.write('w');
    });
    await expectOnly('new');
  });

  it('serves writers at the same time: one of them wins, whole', async () => {
    const texts = Array.from({ length: 8 }, (_, index) => `${index}`.repeat(50_000));
    await Promise.all(texts.map((text) => write(text)));
    expect(texts).toContain(await readFile(path, 'utf8'));
    expect(await readdir(folder)).toEqual(['model.safetensors']);
  });

  it('passes an error of the writer on, keeps the old file and removes the temporary', async () => {
    await write('old');
    const fault = new RangeError('mine');
    const error = await rejection(
      writeFileAtomically(path, async (handle) => {
        await handle.write('new');
        throw fault;
      }),
    );
    expect(error).toBe(fault);
    await expectOnly('old');
  });

  it.runIf(process.platform === 'linux')('reports a full disk (/dev/full) and keeps the old file', async () => {
    await write('old');
    const error = await rejection(
      writeFileAtomically(path, async (handle) => {
        await handle.write('new');
        const full = await open('/dev/full', 'w');
        await full.write('x').finally(() => full.close());
      }),
    );
    expect(error).toMatchObject({
      name: 'IoError',
      code: 'ERR_IO',
      message: expect.stringMatching(/no space.*free.*ENOSPC/),
    });
    expect(error.message).toContain(path);
    await expectOnly('old');
  });

  const refused = async (target: string, message: RegExp) => {
    const error = await rejection(write('x', target));
    expect(error).toMatchObject({ name: 'IoError', code: 'ERR_IO', message: expect.stringMatching(message) });
    expect(error.message).toContain(target);
    expect(error.cause).toBeInstanceOf(Error);
  };

  it('explains a missing folder, a file in place of a folder, and a folder in place of a file', async () => {
    await refused(join(folder, 'no', 'file'), /create the folder first.*ENOENT/);
    await write('a file');
    await refused(join(path, 'file'), /a part of its path is a file.*ENOTDIR/);
    await mkdir(join(folder, 'sub'));
    await refused(join(folder, 'sub'), /it is a folder.*EISDIR/);
    expect((await readdir(folder)).sort()).toEqual(['model.safetensors', 'sub']);
  });
});

describe('in another process', () => {
  let modules: string;

  /** The modules under test as plain JavaScript, so that a child needs no build. */
  beforeAll(async () => {
    modules = join(root, 'modules');
    const sources = {
      'errors.js': '../../../native/lib/errors.ts',
      'io/atomic.js': '../src/io/atomic.ts',
      'io/half.js': '../src/io/half.ts',
      'io/safetensors.js': '../src/io/safetensors.ts',
    };
    const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
    for (const [name, source] of Object.entries(sources)) {
      const { outputText } = ts.transpileModule(await readFile(here(source), 'utf8'), { compilerOptions });
      await mkdir(dirname(join(modules, name)), { recursive: true });
      await writeFile(join(modules, name), outputText);
    }
    await writeFile(join(modules, 'package.json'), '{"type":"module"}');
  });

  /** A child in this mode that has said it is where the test wants it. */
  const start = async (...args: string[]): Promise<ChildProcessByStdio<null, Readable, null>> => {
    const child = spawn(process.execPath, [here('io-child.mjs'), modules, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said] = (await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])) as unknown[];
    expect(`${said}`).toBe('waiting\n');
    return child;
  };
  const kill = async (child: ChildProcessByStdio<null, Readable, null>) => {
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    expect(await exit).toEqual([null, 'SIGKILL']);
  };

  it('killed in the middle of a write, leaves the old file as it was', async () => {
    await writeFile(path, 'old');
    for (let chunks = 0; chunks < 5; chunks++) {
      await kill(await start('stop', path, `${chunks}`));
      expect(await readFile(path, 'utf8')).toBe('old');
      // The temporary it left shows that the kill came when so many chunks were written.
      const temporary = (await readdir(folder)).filter((name) => name !== 'model.safetensors');
      expect(temporary).toHaveLength(1);
      const leftover = join(folder, temporary[0] as string);
      expect((await stat(leftover)).size).toBe(chunks * 65536);
      await rm(leftover);
    }
  }, 60_000);

  it('killed at any time while it saves over and over, never leaves a broken file', async () => {
    for (let round = 0; round < 12; round++) {
      const child = await start('loop', path);
      await new Promise((resolve) => setTimeout(resolve, round * 7));
      await kill(child);
      const { metadata, tensors } = await readSafetensors(path);
      const generation = Number(metadata.generation);
      const data = tensors.get('w')?.data as Float32Array;
      expect([data.length, data.every((value) => value === generation)]).toEqual([500_000, true]);
    }
  }, 60_000);

  /** What the child says when it tries to save 2 MB: its error, and which files it left. */
  const save = (prefix: readonly string[], folder: string, uid = '') => {
    const [command, ...args] = [...prefix, process.execPath, here('io-child.mjs'), modules, 'save', folder, uid];
    return JSON.parse(execFileSync(command as string, args, { encoding: 'utf8' }));
  };
  const refusal = (message: RegExp) => ({
    error: { name: 'IoError', code: 'ERR_IO', message: expect.stringMatching(message) },
    files: [],
  });

  it.skipIf(mountRefused()).each([
    ['out of space', 'size=64k', /model\.safetensors: no space is left on the device; free .*ENOSPC/],
    ['on a read-only file system', 'ro', /model\.safetensors: the file system is read-only; choose .*EROFS/],
  ])('%s, says so and leaves no file', (_, options, message) => {
    // A small file system in a mount namespace of its own: it vanishes with the child.
    const mount = `mount -t tmpfs -o ${options} none "$0" && "$@"`;
    const unshare = ['unshare', '--map-root-user', '--mount', 'sh', '-c', mount, folder];
    expect(save(unshare, folder)).toEqual(refusal(message));
  });

  it('without permission, says so and leaves no file', async () => {
    await chmod(root, 0o755);
    await chmod(folder, 0o555);
    const nobody = process.getuid?.() === 0 ? '65534' : '';
    expect(save([], folder, nobody)).toEqual(refusal(/permission is denied; choose .*EACCES/));
    await chmod(folder, 0o700);
  });
});
