import { execFile } from 'node:child_process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openImagePool, type ReadImages } from '../lib/index.js';

const decodes = ((): boolean => {
  try {
    openImagePool(1).close();
    return true;
  } catch {
    return false;
  }
})();

const library = pathToFileURL(fileURLToPath(new URL('../dist/index.js', import.meta.url))).href;

/** A picture of pixels, enough of them to keep threads busy for a while. */
const request = (count: number): ReadImages => {
  const pixels = new Uint8Array(3 * 500 * 400).fill(100);
  return {
    sources: Array.from({ length: count }, () => ({ bytes: pixels, width: 500, height: 400 })),
    indices: new Int32Array(count),
    width: 224,
    height: 224,
    resize: 256,
    into: new Uint8Array(count * 3 * 224 * 224),
  };
};

/** `request` for programs of their own. */
const requestSource = `(count) => ({
  sources: Array.from({ length: count }, () => ({ bytes: new Uint8Array(3 * 500 * 400), width: 500, height: 400 })),
  indices: new Int32Array(count), width: 224, height: 224, resize: 256, into: new Uint8Array(count * 3 * 224 * 224),
})`;

describe.skipIf(!decodes)('the image pool (needs libjpeg-turbo)', () => {
  it('reads, and rejects what is not done when it is closed', async () => {
    const pool = openImagePool(2);
    const whole = request(20);
    expect(await pool.read(whole)).toEqual([]);
    expect(new Set(whole.into)).toEqual(new Set([100]));
    const pending = pool.read(request(2000));
    pool.close();
    await expect(pending).rejects.toThrow('images: the pool was closed');
    expect(() => pool.read(request(1))).toThrow('images: the pool was closed');
    pool.close();
  });

  it('does nothing for no images', async () => {
    const pool = openImagePool(1);
    expect(
      await pool.read({ ...request(1), sources: [], indices: new Int32Array(0), into: new Uint8Array(0) }),
    ).toEqual([]);
    expect(await pool.pack({ sources: [], resolution: 100, quality: 90 })).toEqual([]);
    pool.close();
  });

  it.each<[string, Partial<Record<keyof ReadImages, unknown>>]>([
    ['memory of another size', { into: new Uint8Array(10) }],
    ['too few indices', { indices: new Int32Array(1) }],
    ['a size below zero', { width: -5 }],
    ['a size that is no number', { height: 'tall' }],
    [
      'a file that was not mapped',
      {
        sources: [
          { file: 7, offset: 0, length: 10 },
          { file: 0, offset: 0, length: 1 },
        ],
      },
    ],
    ['bytes of another type', { sources: [{ bytes: new Float32Array(4) }, { bytes: [1, 2] }] }],
    ['no list of sources', { sources: 'none' }],
  ])('refuses %s, and stays usable', async (_, wrong) => {
    const pool = openImagePool(1);
    expect(() => pool.read({ ...request(2), ...wrong } as ReadImages)).toThrow();
    expect(await pool.read(request(2))).toEqual([]);
    pool.close();
  });

  it('tells of pixels that do not fit their size, and of stretches behind the end of a file', async () => {
    const pool = openImagePool(1);
    const file = pool.map(fileURLToPath(import.meta.url));
    const wrong = {
      ...request(2),
      sources: [
        { bytes: new Uint8Array(10), width: 500, height: 400 },
        { file, offset: 1e12, length: 10 },
      ],
    };
    const failures = await pool.read(wrong);
    expect(failures.map(({ message }) => message)).toEqual([
      'has 10 bytes for 500x400 pixels',
      expect.stringMatching(/lies beyond the end of its file/),
    ]);
    expect(() => pool.map('/nowhere/file')).toThrow('cannot be opened: No such file or directory');
    pool.close();
  });

  const programs: [string, string][] = [
    ['ends with its work undone', 'openImagePool(2).read(request(3000)); setTimeout(() => process.exit(0), 20);'],
    ['ends without closing it', 'await openImagePool(2).read(request(20));'],
    [
      'uses it in a thread that ends',
      `const { Worker } = await import('node:worker_threads');
       for (let i = 0; i < 5; i++) await new Promise((done) => new Worker(
         \`const make = ${requestSource};
           import(\${JSON.stringify(library)}).then(async ({ openImagePool }) => {
             const pool = openImagePool(2);
             await pool.read(make(10));
             pool.read(make(500));
             setTimeout(() => process.exit(), 5);
           });\`, { eval: true }).on('exit', done));`,
    ],
    [
      'forgets pools by the dozen',
      'for (let i = 0; i < 30; i++) { await openImagePool(1).read(request(1)); globalThis.gc(); }',
    ],
  ];
  it.each(programs)('does no harm to a process that %s', async (_, body) => {
    const program = `const library = ${JSON.stringify(library)};
      const { openImagePool } = await import(library);
      const request = ${requestSource};
      ${body}`;
    const args = ['--expose-gc', '--input-type=module', '-e', program];
    const { stderr } = await promisify(execFile)(process.execPath, args);
    expect(stderr).toBe('');
  });
});

describe('a machine without an image decoder', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.resetModules();
  });

  it('is told where it was looked for and what helps', async () => {
    vi.resetModules();
    vi.stubEnv('S2SAM_IMAGES_BINARY', '/nowhere/s2sam_images.node');
    const fresh = await import('../lib/index.js');
    expect(() => fresh.openImagePool(1)).toThrow(
      /cannot be loaded on [\s\S]*S2SAM_IMAGES_BINARY=\/nowhere.*there is no such file[\s\S]*apt-get install libjpeg-dev/,
    );
  });
});
