// Fetches NVIDIA's Python wheels (versions: cuda-requirements.txt) with pip into the ignored folder native/.cuda: what the CUDA
// backend opens at run time, and the headers it is built with. Needs Python 3 with pip; installs nothing outside that folder.
//
//   npm run cuda:fetch [-- [--compiler] [--build-only] [--force]]
//
// --compiler: nvcc too, where no CUDA toolkit is installed.
// --build-only: without the shared libraries, for a machine that builds but has no GPU; 0.1 GB instead of 2.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { $, argv, fs, glob, path } from 'zx';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = path.join(root, '.cuda');
const pins = path.join(root, 'cuda-requirements.txt');

/** What each use needs, by the names in cuda-requirements.txt. */
const packages = {
  libraries: ['nvidia-cublas', 'nvidia-cuda-nvrtc', 'nvidia-cudnn-cu13', 'nvidia-cusparse', 'nvidia-nvjitlink'],
  build: ['nvidia-cublas', 'nvidia-cudnn-cu13', 'nvidia-cusparse', 'nvidia-cuda-cccl', 'nvidia-cuda-runtime'],
  compiler: ['nvidia-cuda-crt', 'nvidia-cuda-nvcc', 'nvidia-nvvm'],
};

/** Sorted `name==version` lines of the packages wished for. */
function wanted() {
  const names = new Set(packages.build);
  if (!argv['build-only']) for (const name of packages.libraries) names.add(name);
  if (argv.compiler) for (const name of packages.compiler) names.add(name);
  const lines = readFileSync(pins, 'utf8').split('\n');
  return lines.filter((line) => names.has(line.split('==')[0])).sort();
}

/** Names which packages the folder holds whole; absent while it is incomplete. */
const stamp = (place) => path.join(place, 'fetched.txt');

function isCurrent(list) {
  if (!fs.existsSync(stamp(folder))) return false;
  const present = new Set(readFileSync(stamp(folder), 'utf8').split('\n'));
  return list.every((line) => present.has(line)) && (argv['build-only'] || !present.has('build-only'));
}

async function pip(list, target) {
  const options = ['--no-deps', '--disable-pip-version-check', '--no-input', '--quiet', '--target', target];
  const env = { ...process.env, PIP_ROOT_USER_ACTION: 'ignore' };
  await $({ stdio: 'inherit', verbose: false, env })`python3 -m pip install ${options} ${list}`;
}

async function removeLibraries(place) {
  for (const file of await glob('nvidia/{cudnn,cu13}/lib/*.so*', { cwd: place })) {
    if (!/libnvvm/.test(file)) fs.removeSync(path.join(place, file));
  }
}

async function main() {
  const list = wanted();
  if (!argv.force && isCurrent(list)) {
    console.log(`${path.relative(process.cwd(), folder)} is up to date`);
    return;
  }
  console.log(`Fetching ${list.join(', ')} ...`);
  const fresh = `${folder}.new`;
  fs.removeSync(fresh);
  try {
    await pip(list, fresh);
    if (argv['build-only']) await removeLibraries(fresh);
    fs.writeFileSync(stamp(fresh), [...list, ...(argv['build-only'] ? ['build-only'] : []), ''].join('\n'));
    fs.removeSync(folder);
    fs.renameSync(fresh, folder);
  } finally {
    fs.removeSync(fresh);
  }
  console.log(`Fetched into ${path.relative(process.cwd(), folder)}`);
}

try {
  await main();
} catch (error) {
  const why = error.exitCode === undefined ? error.message : `pip ended with exit code ${error.exitCode}`;
  console.error(
    `error: NVIDIA's libraries were not fetched: ${why}. The CUDA backend needs Python 3 with pip and its package index.`,
  );
  process.exitCode = 1;
}
