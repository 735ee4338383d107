// Builds native/build/Emulated/s2sam_cuda.node, see CMakeLists.txt. Needs CUDA's headers, of a toolkit or of
// the wheels that `npm run cuda:fetch` fetches, and those of NVIDIA's libraries from the wheels.
// Usage: node native/test/emulated_cuda/build.mjs
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const build = fileURLToPath(new URL('../../build/emulated-cmake', import.meta.url));
const require = createRequire(new URL('../../package.json', import.meta.url));

const cuda = [process.env.CUDA_HOME, '/usr/local/cuda'].filter(Boolean).map((home) => `${home}/include`);
const wheels = ['cu13', 'cudnn'].map((name) =>
  fileURLToPath(new URL(`../../.cuda/nvidia/${name}/include`, import.meta.url)),
);
const headers = [...cuda, ...wheels].filter((folder) => existsSync(folder));
if (!headers.some((folder) => existsSync(`${folder}/cudnn.h`))) {
  console.error("emulated CUDA: NVIDIA's headers are missing; run `npm run cuda:fetch`");
  process.exit(1);
}
// node-addon-api gives its folder relative to the working directory.
const includes = [...headers, require('node-addon-api').include_dir, require('node-api-headers').include_dir]
  .map((folder) => resolve(folder))
  .join(';');
const run = (...args) => execFileSync('cmake', args, { stdio: 'inherit' });
run('-S', here, '-B', build, '-G', 'Ninja', `-DS2SAM_SYSTEM_INCLUDES=${includes}`);
run('--build', build, '--parallel', '2');
