import { describe, expect, it } from 'vitest';
import { violations } from '../scripts/check-imports.mjs';

const check = (path, ...lines) => violations([{ path, text: lines.join('\n') }]);

describe('imports between packages', () => {
  it.each([
    ['packages/core/src/train/run.ts', '@s2sam/masks', 'core must not import masks'],
    ['packages/core/src/io/data.ts', '@s2sam/data', 'core must not import data'],
    ['packages/masks/src/rigl.ts', '@s2sam/cli', 'masks must not import cli'],
    ['packages/data/src/cifar.ts', '@s2sam/masks', 'data must not import masks'],
    ['native/lib/loader.ts', '@s2sam/core', 'native must not import core'],
  ])('%s may not import %s', (path, specifier, rule) => {
    const text = ['// first line', `import { x } from '${specifier}';`];
    expect(check(path, ...text)).toEqual([{ path, line: 2, rule }]);
    expect(check(path, '', `export type { X } from '${specifier}';`)).toEqual([{ path, line: 2, rule }]);
    expect(check(path, '', `const late = await import('${specifier}');`)).toEqual([{ path, line: 2, rule }]);
  });

  it('finds a way round through a relative path', () => {
    const found = check('packages/core/src/index.ts', "import { rigl } from '../../masks/src/rigl.js';");
    expect(found.map(({ rule }) => rule)).toContain('core must not import masks');
  });

  it('asks for the name of a package that may be imported', () => {
    const found = check('packages/cli/src/index.ts', "import { x } from '../../core/src/index.js';");
    expect(found.map(({ rule }) => rule)).toEqual(['import @s2sam/core by its name, not as ../../core/src/index.js']);
  });

  it('lets the arrows pass, and tests import all', () => {
    expect(
      check('packages/cli/src/main.ts', "import '@s2sam/native'; import '@s2sam/masks'; import './a.js';"),
    ).toEqual([]);
    expect(check('packages/masks/src/set.ts', "import '@s2sam/core'; import 'node:fs';")).toEqual([]);
    expect(check('packages/core/test/run.test.ts', "import '@s2sam/masks';")).toEqual([]);
    expect(check('packages/core/src/doc.ts', "// import '@s2sam/masks';", "const text = 'no import';")).toEqual([]);
  });
});

describe('includes between layers of the addon', () => {
  it.each([
    ['native/src/cpu/conv/conv.cc', '"cuda/stream.hpp"', 'cpu must not include cuda (cuda/stream.hpp)'],
    ['native/src/cpu/stream.cc', '"../addon/call.hpp"', 'cpu must not include addon (../addon/call.hpp)'],
    ['native/src/cuda/conv.cu', '"cpu/vec.hpp"', 'cuda must not include cpu (cpu/vec.hpp)'],
    ['native/src/addon/conv.cc', '"cpu/stream.hpp"', 'addon must not include cpu (cpu/stream.hpp)'],
    ['native/include/s2sam/ops.hpp', '"cpu/stream.hpp"', 'contract must not include cpu (cpu/stream.hpp)'],
    ['native/include/s2sam/ops.hpp', '<cuda_runtime.h>', 'cuda_runtime.h belongs to cuda alone, not to contract'],
    ['native/src/cpu/backend.cc', '<napi.h>', 'napi.h belongs to addon and images_addon alone, not to cpu'],
  ])('%s may not include %s', (path, header, rule) => {
    expect(check(path, '#pragma once', `#include ${header}`)).toEqual([{ path, line: 2, rule }]);
  });

  it('lets the arrows pass', () => {
    expect(check('native/src/cpu/stream.cc', '#include "cpu/stream.hpp"', '#include "s2sam/ops.hpp"')).toEqual([]);
    expect(check('native/src/addon/conv.cc', '#include <napi.h>', '#include "call.hpp"')).toEqual([]);
    expect(check('native/src/cuda/gemm.cu', '#include <cublasLt.h>', '#include "s2sam/tensor.hpp"')).toEqual([]);
  });
});

describe('what belongs to one machine', () => {
  // Put together here, so that this file itself passes the check.
  const host = ['https://registry', 'npmjs', 'org/'].join('.');
  const home = ['', 'root', 'project'].join('/');

  it('finds registry hosts, absolute paths and download addresses in any file', () => {
    expect(check('.npmrc', 'engine-strict=true', `registry=${host}`)).toEqual([
      { path: '.npmrc', line: 2, rule: 'no registry host names' },
    ]);
    expect(check('docs/guide/start.md', `cd ${home}`)).toEqual([
      { path: 'docs/guide/start.md', line: 1, rule: 'no absolute paths of one machine' },
    ]);
    expect(check('pnpm-lock.yaml', '  resolution: {integrity: x, tarball: y}')).toEqual([
      { path: 'pnpm-lock.yaml', line: 1, rule: 'no download addresses in the lock file' },
    ]);
  });

  it('leaves relative paths alone', () => {
    expect(check('docs/guide/start.md', 'see ./work/notes.md and packages/root/x')).toEqual([]);
  });
});
