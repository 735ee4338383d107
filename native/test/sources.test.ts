import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readSources } from '../scripts/sources.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const sources = readSources();
const groups = ['addon', 'images', 'cpu', 'cpuKernels', 'cuda', 'cudaKernels'] as const;
/** What node-gyp builds, which knows no nvcc. */
const gypGroups = ['addon', 'cpu', 'cpuKernels', 'images'] as const;

const onDisk = (folder: string): string[] =>
  readdirSync(`${root}${folder}`, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.cc') || name.endsWith('.cu'))
    .map((name) => `${folder}/${name}`);

describe('sources.json', () => {
  it('names every source file there is, once', () => {
    const listed = groups.flatMap((group) => sources[group]);
    const there = ['addon', 'images', 'images_addon', 'memory', 'profile', 'shape', 'cpu', 'cuda'].flatMap((folder) =>
      onDisk(`src/${folder}`),
    );
    expect([...listed].sort()).toEqual([...there].sort());
  });

  it('compiles once per instruction set exactly the files that are named so', () => {
    const kernels = onDisk('src/cpu').filter((name) => name.endsWith('.kernels.cc'));
    expect([...sources.cpuKernels].sort()).toEqual(kernels.sort());
  });

  it('gives nvcc exactly the files that are named so', () => {
    const kernels = onDisk('src/cuda').filter((name) => name.endsWith('.cu'));
    expect([...sources.cudaKernels].sort()).toEqual(kernels.sort());
  });

  const cmake = spawnSync('cmake', ['--version']).status === 0;
  it.skipIf(!cmake)('is what CMake reads', () => {
    const script = `${root}test/fixtures/print-sources.cmake`;
    const printed = execFileSync('cmake', ['-P', script], { encoding: 'utf8' }).trim().split('\n');
    expect(printed).toEqual(groups.flatMap((group) => sources[group].map((path) => `${group} ${root}${path}`)));
  });

  it('is what node-gyp reads', () => {
    const gyp = readFileSync(`${root}binding.gyp`, 'utf8');
    expect(gyp).not.toMatch(/\.cc'/);
    const commands = [...gyp.matchAll(/<!@\(node (scripts\/sources\.mjs [^)]*)\)/g)].map((match) => match[1] ?? '');
    const printed = commands.flatMap((command) =>
      execFileSync(process.execPath, command.split(' '), { cwd: root, encoding: 'utf8' }).trim().split('\n'),
    );
    expect(printed.sort()).toEqual(gypGroups.flatMap((group) => sources[group]).sort());
  });
});
