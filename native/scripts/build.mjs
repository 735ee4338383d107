// Builds build/Release/s2sam_cpu.node, s2sam_images.node where libjpeg-turbo is, and s2sam_cuda.node where there is what it takes:
// with cmake-js where CMake is installed, else all but the last with the node-gyp that npm brings. Skips a binary that is newer than
// everything it is made of.
// Downloads nothing: the Node-API headers are a package, and CUDA is fetched by fetch-cuda.mjs alone.
//
//   npm run build:native [-- [--backend cpu|images|cuda] [--force] [--tool cmake|gyp] [--portable]]
//
// --portable (CMake only) also links the C++ library into the binary, for one that is to run elsewhere.
// S2SAM_CUDA=0: never builds for CUDA; 1: it is an error when that is not possible. Otherwise one line says why it was not.
// S2SAM_CUDA_ARCHITECTURES: for which GPUs, e.g. 90-real, in the form of CMAKE_CUDA_ARCHITECTURES; see cmake/cuda.cmake.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { $, argv, fs, ProcessOutput, path, which } from 'zx';

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('..', import.meta.url));
const at = (...parts) => path.join(root, ...parts);
const binaryOf = (backend) => at('build', 'Release', `s2sam_${backend}.node`);
const nameOf = (backend) => path.relative(process.cwd(), binaryOf(backend));
/** A build folder of its own for each, so that a CUDA that cannot be configured is no trouble to the CPU. */
const folderOf = (backend) => at('build', backend === 'cpu' ? 'cmake' : `cmake-${backend}`);
/** CMake's modules: in the repository, and in the installed package. */
const modules = ['../cmake', 'cmake'].map((folder) => at(folder)).find((folder) => fs.existsSync(folder));
const foldersOf = (backend) =>
  backend === 'images' ? ['images', 'images_addon'] : ['addon', 'memory', 'profile', 'shape', backend];
/** Everything a binary is made of. */
const inputsOf = (backend) => [
  ...foldersOf(backend).map((folder) => at('src', folder)),
  ...['include', 'CMakeLists.txt', 'binding.gyp', 'sources.json', 'package.json'].map((file) => at(file)),
  modules,
];

class BuildError extends Error {}

const installed = (program) => which.sync(program, { nothrow: true });

function newestChange(file) {
  if (!fs.existsSync(file)) return 0;
  const stat = fs.statSync(file);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...fs.readdirSync(file).map((entry) => newestChange(path.join(file, entry))));
}

const isNewest = (backend) =>
  fs.existsSync(binaryOf(backend)) &&
  fs.statSync(binaryOf(backend)).mtimeMs > Math.max(...inputsOf(backend).map(newestChange));

function chooseTool() {
  const wish = argv.tool ?? (argv.portable ? 'cmake' : undefined);
  if (wish !== undefined && wish !== 'cmake' && wish !== 'gyp') {
    throw new BuildError(`--tool is '${wish}'; it must be cmake or gyp`);
  }
  if (argv.portable && wish === 'gyp') throw new BuildError('--portable needs CMake');
  return wish ?? (installed('cmake') ? 'cmake' : 'gyp');
}

/** Programs that must be there; one of each list. */
function needPrograms(...alternatives) {
  for (const programs of alternatives) {
    if (programs.some(installed)) continue;
    throw new BuildError(
      `none of these programs was found: ${programs.join(', ')}. On Debian or Ubuntu: apt-get install build-essential python3; ` +
        'elsewhere install a C++20 compiler (gcc 11 or clang 14, or newer), make and Python 3.',
    );
  }
}

const compilers = () => (process.env.CXX ? [process.env.CXX.split(' ')[0]] : ['c++', 'g++', 'clang++']);

const shell = $({ cwd: root, stdio: 'inherit', verbose: false });

async function buildWithCMake(backend) {
  needPrograms(['cmake'], compilers(), ['ninja', 'make']);
  const out = folderOf(backend);
  forgetMovedCache(out);
  const cmakeJs = path.join(path.dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js');
  const options = { S2SAM_BACKEND: backend, S2SAM_STATIC_STDCXX: argv.portable ? 'ON' : 'OFF' };
  if (backend === 'cuda' && architectures) options.S2SAM_CUDA_ARCHITECTURES = architectures;
  const definitions = Object.entries(options).map(([name, value]) => `--CD${name}=${value}`);
  await shell`${process.execPath} ${cmakeJs} configure --out ${out} --log-level warn ${definitions}`;
  await shell`${process.execPath} ${cmakeJs} build --out ${out} --log-level warn`;
}

/** A value of the build folder's cache, if there is one. */
function cached(out, name) {
  const cache = path.join(out, 'CMakeCache.txt');
  if (!fs.existsSync(cache)) return undefined;
  return new RegExp(`^${name}:\\w+=(.*)$`, 'm').exec(fs.readFileSync(cache, 'utf8'))?.[1];
}

/** CMake refuses a cache that was made at another place; a copied checkout has one. */
function forgetMovedCache(out) {
  const home = cached(out, 'CMAKE_HOME_DIRECTORY');
  if (home !== undefined && path.resolve(home) !== path.resolve(root)) fs.removeSync(out);
}

/** A target of binding.gyp. */
async function buildWithGyp(backend) {
  needPrograms(['python3', 'python'], compilers(), ['make']);
  const gyp = findNodeGyp();
  const headers = prepareHeaders();
  const options = [`--nodedir=${headers}`, '--force-process-config', '--loglevel=warn'];
  const images = backend === 'images' ? 1 : 0;
  await shell`${process.execPath} ${gyp} configure ${options} -- -Dimages=${images}`;
  await shell`${process.execPath} ${gyp} build --jobs=max ${options}`;
}

function findNodeGyp() {
  const inside = path.join('node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  const npm = installed('npm');
  const candidates = [
    process.env.npm_config_node_gyp,
    npm && path.join(path.dirname(fs.realpathSync(npm)), '..', inside),
    path.join(path.dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', inside),
  ];
  const found = candidates.find((file) => file && fs.existsSync(file));
  if (!found) {
    throw new BuildError('neither cmake nor the node-gyp of npm was found. Install CMake 3.21 or newer, or npm.');
  }
  return found;
}

/** What node-gyp takes for a Node.js development folder: the Node-API headers and a configuration without flags of its own. */
function prepareHeaders() {
  const folder = at('build', 'node-api');
  const include = path.join(folder, 'include', 'node');
  fs.copySync(require('node-api-headers').include_dir, include);
  const configurations = "{'Release': {}, 'Debug': {}}";
  fs.writeFileSync(
    path.join(include, 'common.gypi'),
    `{'target_defaults': {'default_configuration': 'Release', 'configurations': ${configurations}}}\n`,
  );
  return folder;
}

/** Removes what was built, for one backend or all. */
function forget(backend) {
  if (backend === undefined) fs.removeSync(at('build'));
  else for (const place of [folderOf(backend), binaryOf(backend)]) fs.removeSync(place);
}

async function build(backend, tool) {
  console.log(`Building ${nameOf(backend)} with ${tool === 'cmake' ? 'cmake-js' : 'node-gyp'} ...`);
  await (tool === 'cmake' ? buildWithCMake(backend) : buildWithGyp(backend));
  const binary = binaryOf(backend);
  if (!fs.existsSync(binary)) throw new BuildError(`the build ended without making ${nameOf(backend)}`);
  fs.utimesSync(binary, new Date(), new Date()); // a build that had nothing to link is current too
  console.log(`Built ${nameOf(backend)}`);
}

function isCurrent(backend) {
  if (argv.force || argv.portable || !isNewest(backend)) return false;
  if (backend !== 'cuda' || !architectures) return true;
  return cached(folderOf(backend), 'S2SAM_CUDA_ARCHITECTURES') === architectures;
}

/** Why there can be no build for CUDA here, or undefined. */
async function cudaObstacle() {
  if (wish.cuda === '0') return 'S2SAM_CUDA is 0';
  if (!installed('cmake')) return 'this needs CMake';
  const found = await $({ verbose: false })`cmake -P ${path.join(modules, 'find_cuda.cmake')}`;
  return /^missing: (.*)$/m.exec(found.stdout)?.[1];
}

/** Why image files cannot be read by what would be built here, or undefined. */
function imagesObstacle() {
  const program = '#include <cstdio>\n#include <jpeglib.h>\n#ifndef JCS_EXTENSIONS\n#error\n#endif\n';
  const compiler = compilers().find(installed);
  const { status } = spawnSync(compiler ?? 'c++', ['-x', 'c++', '-fsyntax-only', '-'], { input: program });
  return status === 0
    ? undefined
    : 'there is no jpeglib.h of libjpeg-turbo (Debian and Ubuntu: apt-get install libjpeg-dev)';
}

/** Builds what only some need. It is never the reason why there is no CPU binary, and fails only if it was asked for. */
async function buildOptional(backend, title, tool, obstacle) {
  try {
    if (obstacle !== undefined) throw new BuildError(obstacle);
    if (isCurrent(backend)) console.log(`${nameOf(backend)} is up to date`);
    else await build(backend, tool);
  } catch (error) {
    if (backend === 'cuda' && wish.cuda === '1') throw error;
    const failed = error instanceof ProcessOutput;
    const why = failed
      ? `its build failed; \`npm run build:native -- --backend ${backend}\` shows the errors`
      : error.message;
    console.log(`${title} was not built: ${why}`);
  }
}

/** What the user asked for. */
const wish = { backend: argv.backend, cuda: process.env.S2SAM_CUDA };
const architectures = process.env.S2SAM_CUDA_ARCHITECTURES;

function checkWish() {
  const { backend, cuda } = wish;
  if (backend !== undefined && !['cpu', 'images', 'cuda'].includes(backend)) {
    throw new BuildError(`--backend is '${backend}'; it must be cpu, images or cuda`);
  }
  if (cuda !== undefined && cuda !== '' && cuda !== '0' && cuda !== '1') {
    throw new BuildError(`S2SAM_CUDA is '${cuda}'; it must be 0 or 1`);
  }
}

async function main() {
  checkWish();
  const tool = chooseTool();
  if (argv.force) forget(wish.backend);
  const wanted = (backend) => wish.backend === undefined || wish.backend === backend;
  if (wanted('cpu')) {
    if (isCurrent('cpu')) console.log(`${nameOf('cpu')} is up to date`);
    else await build('cpu', tool);
  }
  if (wanted('images')) await buildOptional('images', 'The image decoder', tool, imagesObstacle());
  if (wanted('cuda')) await buildOptional('cuda', 'The CUDA backend', 'cmake', await cudaObstacle());
}

try {
  await main();
} catch (error) {
  const ended = `the build tool ended with exit code ${error.exitCode}; its first error, above, says why`;
  const message = error instanceof ProcessOutput ? ended : String(error.message ?? error);
  console.error(`error: the native addon was not built: ${message}`);
  process.exitCode = 1;
}
