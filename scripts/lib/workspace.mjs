// From a checkout to something that runs: pnpm, packages, native addon, TypeScript. Each step is quick when its result is current.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, SetupError, say, step } from './command.mjs';

const at = (...parts) => join(root, ...parts);
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
const node = (args, remedy) => run(process.execPath, args, { remedy });

/** Hash over the contents of files, together with `extra` words. */
function fingerprint(paths, extra) {
  const hash = createHash('sha256').update(JSON.stringify(extra));
  for (const path of paths) hash.update(JSON.stringify([path, readFileSync(at(path), 'utf8')]));
  return hash.digest('hex');
}

/** The pnpm that package.json names, in .tools/ and nowhere else; resolves with its script. */
export async function ensurePnpm() {
  const wanted = readJson(at('package.json')).packageManager;
  const home = at('.tools', 'node_modules', 'pnpm');
  const present = existsSync(join(home, 'package.json')) ? `pnpm@${readJson(join(home, 'package.json')).version}` : '';
  if (present !== wanted) {
    const quietly = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund'];
    const args = ['install', '--prefix', at('.tools'), ...quietly, wanted];
    const remedy = 'check that npm reaches its registry (npm ping), then run this again.';
    await step(`Installing ${wanted} into .tools/`, () => run('npm', args, { remedy }));
  }
  return join(home, 'bin', 'pnpm.cjs');
}

/** Installs exactly what the lock file says. */
export async function installPackages(pnpm) {
  const packages = readdirSync(at('packages')).map((name) => `packages/${name}`);
  const manifests = ['.', 'native', ...packages, 'test', 'bench', 'examples'].map((folder) => `${folder}/package.json`);
  const inputs = ['pnpm-lock.yaml', 'pnpm-workspace.yaml', ...manifests];
  const remedy = 'check that npm reaches its registry (npm ping), and that pnpm-lock.yaml fits the package.json files.';
  // Development packages are needed whatever NODE_ENV says; an existing node_modules may be replaced without asking.
  const args = ['install', '--frozen-lockfile', '--prod=false', '--config.confirmModulesPurge=false'];
  const stamp = at('node_modules', '.s2sam-stamp');
  const current = fingerprint(inputs, [process.version]);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === current) return;
  await step('Installing packages', () => node([pnpm, ...args], remedy));
  writeFileSync(stamp, current);
}

/** Runs the build script, which itself knows what is out of date, for one backend; resolves with what it printed. */
function buildBackend(backend) {
  const script = [at('node_modules', 'zx', 'build', 'cli.js'), at('native', 'scripts', 'build.mjs')];
  const remedy = 'the first "error:" line says what is wrong; S2SAM_VERBOSE=1 shows the whole output.';
  return node([...script, '--backend', backend], remedy);
}

/** Builds the addon with cmake-js, or node-gyp where there is no cmake. */
export async function buildNative() {
  await step('Building the native addon (minutes when it is new)', () => buildBackend('cpu'));
}

/** Builds the image decoder where there is libjpeg-turbo, else says that there is none. */
export async function buildImages() {
  const output = await step('Building the image decoder', () => buildBackend('images'));
  const obstacle = output.match(/^The image decoder was not built: .*$/m);
  if (obstacle !== null) say(`  ${obstacle[0]}`);
}

/** Builds the addon for CUDA where there is what it takes, else says why not; S2SAM_CUDA=1 makes that an error. */
export async function buildCuda() {
  const output = await step('Building it for CUDA, where there is nvcc', () => buildBackend('cuda'));
  const obstacle = output.match(/^The CUDA backend was not built: .*$/m);
  if (obstacle !== null) say(`  ${obstacle[0]}`);
}

const ONNX_RUNTIME = 'onnxruntime-node@1.30.0';

/** Installs the program that exported networks are tested with: large, so beside the packages; without it those tests are skipped. */
export async function installOnnxRuntime() {
  const home = at('.tools', 'onnxruntime');
  const manifest = join(home, 'node_modules', 'onnxruntime-node', 'package.json');
  if (existsSync(manifest) && `onnxruntime-node@${readJson(manifest).version}` === ONNX_RUNTIME) return;
  const quietly = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund'];
  const install = () =>
    run('npm', ['install', '--prefix', home, ...quietly, ONNX_RUNTIME], { remedy: 'check npm ping.' });
  try {
    await step(`Installing ${ONNX_RUNTIME} into .tools/`, install);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(`  Exported networks are not tested: ${error.message}`);
  }
}

/** Builds the emulated CUDA device, on which the tests run the backend's kernels, where NVIDIA's headers were fetched. */
export async function buildEmulatedCuda() {
  if (!existsSync(at('native', '.cuda', 'fetched.txt'))) {
    say("  The CUDA kernels are not tested: NVIDIA's headers are missing (npm run cuda:fetch).");
    return;
  }
  const script = at('native', 'test', 'emulated_cuda', 'build.mjs');
  await step('Building the emulated CUDA device', () => node([script], 'S2SAM_VERBOSE=1 shows the whole output.'));
}

/** Compiles the packages, each of which the cli knows, and the examples; incremental, so it is simply always run. */
export async function buildTypeScript() {
  const tsc = at('node_modules', 'typescript', 'bin', 'tsc');
  const projects = [at('packages', 'cli'), at('examples')];
  await step('Compiling TypeScript', () => node([tsc, '--build', ...projects], 'correct the type errors above.'));
}
