// The program that asks cuDNN for plans: builds it, runs it, and reads what it says.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { run } from '../../scripts/lib/command.mjs';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const build = at('../../native/build/cudnn-patterns');
const described = at('../../native/test/fixtures/h200.json');

/** Needs CMake, a C++ compiler and NVIDIA's headers. */
export async function buildProgram() {
  const remedy = 'it needs the headers of CUDA and cuDNN: npm run cuda:fetch, or a toolkit.';
  await run('cmake', ['-S', at('.'), '-B', build, '-G', 'Ninja'], { remedy });
  await run('cmake', ['--build', build, '--parallel', '2'], { remedy });
}

const ended = (child) =>
  new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`cudnn_patterns ended with ${signal ?? `exit code ${code}`}`));
    });
  });

/**
 * What cuDNN plans: { about, cases }. `library`: path of libcudnn.so.9; `rounds`: how often to time the plans on the GPU, 0 to ask for
 * plans on a GPU that is only described; `layer`, `pattern`: only those whose names contain this. Calls `each` with every case.
 */
export async function survey({
  library,
  dtype,
  batch,
  compile,
  rounds = 0,
  layer = '',
  pattern = '',
  each = () => {},
}) {
  const where = rounds > 0 ? ['--run', rounds] : ['--described', described, '--driver', `${build}/libcuda.so.1`];
  const args = ['--cudnn', library, ...where, '--dtype', dtype, '--batch', batch, '--compile', compile];
  const child = spawn(`${build}/cudnn_patterns`, [...args, '--layer', layer, '--pattern', pattern].map(String), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const finished = ended(child);
  let about;
  const cases = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('{')) continue; // cuDNN itself may print
    const said = JSON.parse(line);
    if (about === undefined) about = said;
    else cases.push(said);
    if (said !== about) each(said);
  }
  await finished;
  return { about, cases };
}
