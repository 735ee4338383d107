import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { missingFromPython } from './support/python.js';

const program = fileURLToPath(new URL('../bench/peers/pytorch_optimizer.py', import.meta.url));
const missing = missingFromPython("the forms of PyTorch's S2-SAM", 'torch');

it.skipIf(missing !== undefined)("all forms of PyTorch's S2-SAM that are measured come to the same weights", () => {
  const args = [program, '--selftest', '--model', 'resnet20', '--width', '8', '--sparsity', '0.9'];
  const said = execFileSync(process.env.S2SAM_PYTHON as string, args, { encoding: 'utf8' });
  const { largest, difference } = JSON.parse(said) as { largest: number; difference: number };
  expect(largest).toBeGreaterThan(0.1);
  expect(difference).toBeLessThan(1e-6 * largest);
});
