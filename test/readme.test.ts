import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readCheckpoint } from '@s2sam/core';
import ts from 'typescript';
import { afterAll, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
// Inside the package of the tests, so that its imports are found as in a user's project.
const folder = mkdtempSync(join(root, 'test', 'dist-readme-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The program as it stands, but on made-up images and for three steps. */
function program(): string {
  const source = /```ts\n(.*?)```/s.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1] ?? '';
  const shortened = source.replace("'cifar10'", "'procedural'").replace('epochs: 2', 'steps: 3');
  expect(shortened.length).toBe(source.length + 2);
  return shortened;
}

it('the program in the README compiles and trains', async () => {
  const { outputText } = ts.transpileModule(program(), {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  writeFileSync(join(folder, 'program.mjs'), outputText);
  const { stdout } = await promisify(execFile)(process.execPath, ['program.mjs'], { cwd: folder });
  expect(stdout).toMatch(/^0 0\.\d+\n$/);
  const { position, model } = await readCheckpoint(join(folder, 'model.safetensors'));
  expect({ model, step: position.step, sparsity: position.sparsity }).toEqual({
    model: 'resnet32',
    step: 3,
    sparsity: 'static(erk)',
  });
});
