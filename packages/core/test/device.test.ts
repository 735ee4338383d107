import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { libraryFiles } from '../../../native/lib/cuda/libraries.js';
import {
  a100,
  canCompile,
  fakeDriver,
  h200,
  hasDriver,
  type Script,
  script,
  scriptedAddon,
  t4,
} from '../../../native/test/support/fakes.js';
import { devices, openDevice } from '../src/index.js';

const program = fileURLToPath(new URL('fixtures/open-device.mjs', import.meta.url));
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 's2sam-device-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Opened {
  name?: string;
  kind?: string;
  lines: string[];
  error?: { code: string; message: string };
  devices: { id: string; usable: boolean; reason: string }[];
}

/** What a program sees that opens a device in this environment. */
function open(wish: string, env: Record<string, string>): Opened {
  const none = { S2SAM_CUDA_LIBS: '', CUDA_HOME: '', CUDA_PATH: '', VIRTUAL_ENV: '', S2SAM_DEVICE: '' };
  const options = { env: { ...process.env, ...none, ...env }, encoding: 'utf8' } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, wish], options);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout) as Opened;
}

/** The environment of a machine whose CUDA answers so. */
const machine = (answer: Script): Record<string, string> => ({
  LD_LIBRARY_PATH: folder,
  S2SAM_CUDA_BINARY: join(folder, 's2sam_cuda.node'),
  S2SAM_SCRIPTED_ADDON: script(answer),
});

describe('openDevice', () => {
  it.skipIf(hasDriver)('never falls back from an explicit cuda (skipped where there is a driver)', async () => {
    for (const wish of ['cuda', 'cuda:0'] as const) {
      const error = await openDevice(wish).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: 'ERR_DEVICE_UNAVAILABLE', name: 'DeviceUnavailableError' });
      expect((error as Error).message).toMatch(`openDevice: ${wish} is not usable: `);
      expect((error as Error).message).toMatch(/libcuda\.so\.1.*; use 'cpu' or 'auto'$/);
    }
  });

  it.skipIf(hasDriver)('auto takes the CPU and says in one line why (skipped where there is a driver)', async () => {
    const lines: string[] = [];
    await using device = await openDevice('auto', { notify: (line) => lines.push(line) });
    expect(device.kind).toBe('cpu');
    expect(lines).toEqual([expect.stringMatching(/^s2sam: using the CPU \(no NVIDIA driver was found .*\)$/)]);
    expect(devices().map(({ id, usable }) => [id, usable])).toEqual([
      ['cpu', true],
      ['cuda', false],
    ]);
  });

  it('refuses an unknown name', async () => {
    await expect(openDevice('tpu' as 'cpu')).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });
});

describe.skipIf(!canCompile)('openDevice beside GPUs (skipped where there is no C compiler)', () => {
  beforeAll(() => {
    fakeDriver(folder, 'silent');
    scriptedAddon(folder);
  });
  const three = { devices: [t4, a100, h200] };

  it('lists them all, with the reason where one does not serve', () => {
    const { devices: all } = open('cpu', machine(three));
    expect(all.map(({ id, usable }) => [id, usable])).toEqual([
      ['cpu', true],
      ['cuda:0', false],
      ['cuda:1', true],
      ['cuda:2', true],
    ]);
    expect(all[1]?.reason).toMatch(/compute capability is sm_75/);
  });

  it('auto takes the best one and says so', () => {
    const { name, lines } = open('auto', machine(three));
    expect(name).toBe('NVIDIA H200');
    expect(lines[0]).toBe('s2sam: using cuda:2 (NVIDIA H200)');
  });

  it('says which libraries it does without', () => {
    for (const file of Object.values(libraryFiles)) writeFileSync(join(folder, file), '');
    const answer = { ...three, versions: { cudnn: '8.9.7' } };
    const { kind, lines } = open('cuda', { ...machine(answer), S2SAM_CUDA_LIBS: folder });
    expect(kind).toBe('cuda');
    expect(lines).toEqual([
      `s2sam: cuda:2 runs slower kernels in place of NVIDIA's: ${join(folder, 'libcudnn.so.9')} is of version 8.9.7, ` +
        'but 9 is needed (see `s2sam doctor`)',
    ]);
  });

  it('takes the one that is named, or none', () => {
    expect(open('cuda:1', machine(three)).name).toBe('NVIDIA A100');
    expect(open('cuda:0', machine(three)).error).toMatchObject({
      code: 'ERR_DEVICE_UNAVAILABLE',
      message: expect.stringMatching(/cuda:0 is not usable: its compute capability is sm_75/) as string,
    });
    expect(open('cuda:7', machine(three)).error?.message).toMatch(
      /there is no such GPU; this machine has cuda:0 \(Tesla T4\), cuda:1 \(NVIDIA A100\), cuda:2 \(NVIDIA H200\)/,
    );
  });

  it('S2SAM_DEVICE counts where the program does not choose', () => {
    expect(open('', { ...machine(three), S2SAM_DEVICE: 'cuda:1' }).name).toBe('NVIDIA A100');
    expect(open('', { ...machine(three), S2SAM_DEVICE: 'cpu' }).kind).toBe('cpu');
    expect(open('cpu', { ...machine(three), S2SAM_DEVICE: 'cuda:1' }).kind).toBe('cpu');
  });
});

describe.skipIf(!canCompile)('openDevice with a driver that crashes (skipped where there is no C compiler)', () => {
  beforeAll(() => fakeDriver(folder, 'crashing'));

  it('auto takes the CPU, cuda is refused, the program lives', () => {
    const auto = open('auto', machine({ devices: [h200] }));
    expect(auto.kind).toBe('cpu');
    expect(auto.lines).toEqual([expect.stringMatching(/^s2sam: using the CPU \(.*killed by SIGABRT.*\)$/)]);
    expect(open('cuda', machine({ devices: [h200] })).error?.code).toBe('ERR_DEVICE_UNAVAILABLE');
  });
});
