// Brings a fresh checkout on a fresh Debian or Ubuntu machine to where everything runs. Safe, and quick, to run again.
// Usage: node scripts/setup.mjs [--tests]     --tests: also what only the tests need (a browser, an emulated GPU, ONNX Runtime)
//        S2SAM_CUDA=0: nothing for CUDA; 1: no success without it. Default: where nvcc and its headers are found.
//        S2SAM_VERBOSE=1 shows the output of every command.
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { main } from './lib/command.mjs';
import { ensureSystem } from './lib/system.mjs';
import {
  buildCuda,
  buildEmulatedCuda,
  buildImages,
  buildNative,
  buildTypeScript,
  ensurePnpm,
  installOnnxRuntime,
  installPackages,
} from './lib/workspace.mjs';

/** Installs what is missing and builds what is out of date. Throws SetupError. */
export async function setup({ forTests = false } = {}) {
  await ensureSystem({ forTests });
  await installPackages(await ensurePnpm());
  await buildNative();
  await buildImages();
  await buildCuda();
  if (forTests) await buildEmulatedCuda();
  if (forTests) await installOnnxRuntime();
  await buildTypeScript();
}

if (argv[1] === fileURLToPath(import.meta.url)) await main(() => setup({ forTests: argv.includes('--tests') }));
