import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const built = fileURLToPath(new URL('../build/Release/s2sam_cpu.node', import.meta.url));
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 's2sam-loader-'));
  vi.resetModules();
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** A fresh loader that is told to use this binary. */
async function load(path: string) {
  vi.stubEnv('S2SAM_CPU_BINARY', path);
  const { loadCpu } = await import('../lib/index.js');
  return loadCpu();
}

/** The built binary with one byte changed. */
function patched(path: string, offset: number, byte: number) {
  const bytes = readFileSync(built);
  bytes[offset] = byte;
  writeFileSync(path, bytes);
}

/** The built binary, claiming another version. */
function otherVersion(): Buffer {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const bytes = readFileSync(built);
  const place = bytes.indexOf(`\0${version}\0`);
  if (place < 0) throw new Error(`the binary does not hold its version ${version}`);
  bytes.write('9.9.9\0', place + 1, 'latin1');
  return bytes;
}

/** A shared library that this process has loaded. */
function someLibrary(): string {
  const path = /\S+\/libgcc_s\.so\S*/.exec(readFileSync('/proc/self/maps', 'utf8'))?.[0];
  if (path === undefined) throw new Error('libgcc_s is not loaded');
  return path;
}

describe('the loader', () => {
  it('takes the binary it is pointed at', async () => {
    const copy = join(folder, 'copy.bin');
    copyFileSync(built, copy);
    expect((await load(copy)).info().backend).toBe('cpu');
  });

  const broken: [string, (path: string) => void, RegExp][] = [
    ['a missing file', () => {}, /there is no such file/],
    ['a text file', (path) => writeFileSync(path, 'no binary\n'.repeat(100)), /it is not a Linux binary/],
    ['an empty file', (path) => writeFileSync(path, ''), /it is not a Linux binary/],
    ['a truncated binary', (path) => writeFileSync(path, readFileSync(built).subarray(0, 4096)), /it is truncated/],
    ['a binary for another processor', (path) => patched(path, 18, 21), /it is a binary for machine 21, not for/],
    [
      'a binary of another version',
      (path) => writeFileSync(path, otherVersion()),
      /it is of version 9\.9\.9, but this package is/,
    ],
    ['a library that is no addon', (path) => copyFileSync(someLibrary(), path), /it is not a Node.js addon/],
  ];

  it.each(broken)('explains %s and what to do', async (_name, make, reason) => {
    const path = join(folder, 's2sam_cpu.node');
    make(path);
    const error = await load(path).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'ERR_DEVICE_UNAVAILABLE', name: 'DeviceUnavailableError' });
    const { message } = error as Error;
    expect(message).toContain(`S2SAM_CPU_BINARY=${path}`);
    expect(message).toMatch(reason);
    expect(message).toContain('npm run setup');
  });
});
