// Builds build/Release/s2sam_cpu.node: with cmake-js where CMake is installed, else with the node-gyp that npm brings. Skips
// when the binary is newer than everything it is made of. Downloads nothing: the Node-API headers are a package.
//
//   pnpm build:native [--force] [--tool cmake|gyp] [--portable]
//
// --portable (CMake only) also links the C++ library into the binary, for one that is to run elsewhere.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { $, argv, fs, ProcessOutput, path, which } from 'zx';

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('..', import.meta.url));
const at = (...parts) => path.join(root, ...parts);
const binary = at('build', 'Release', 's2sam_cpu.node');
const name = path.relative(process.cwd(), binary);
/** Everything the binary is made of. */
const inputs = ['src', 'include', '../cmake', 'CMakeLists.txt', 'binding.gyp', 'sources.json', 'package.json'];

class BuildError extends Error {}

const installed = (program) => which.sync(program, { nothrow: true });

function newestChange(file) {
  if (!fs.existsSync(file)) return 0;
  const stat = fs.statSync(file);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...fs.readdirSync(file).map((entry) => newestChange(path.join(file, entry))));
}

const isCurrent = () =>
  fs.existsSync(binary) && fs.statSync(binary).mtimeMs > Math.max(...inputs.map((input) => newestChange(at(input))));

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

async function buildWithCMake() {
  needPrograms(['cmake'], compilers(), ['ninja', 'make']);
  const out = at('build', 'cmake');
  forgetMovedCache(out);
  const cmakeJs = path.join(path.dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js');
  const option = `--CDS2SAM_STATIC_STDCXX=${argv.portable ? 'ON' : 'OFF'}`;
  await shell`${process.execPath} ${cmakeJs} configure --out ${out} --log-level warn ${option}`;
  await shell`${process.execPath} ${cmakeJs} build --out ${out} --log-level warn`;
}

/** CMake refuses a cache that was made at another place; a copied checkout has one. */
function forgetMovedCache(out) {
  const cache = path.join(out, 'CMakeCache.txt');
  if (!fs.existsSync(cache)) return;
  const home = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(fs.readFileSync(cache, 'utf8'))?.[1];
  if (home === undefined || path.resolve(home) !== path.resolve(root)) fs.removeSync(out);
}

async function buildWithGyp() {
  needPrograms(['python3', 'python'], compilers(), ['make']);
  const gyp = findNodeGyp();
  const headers = prepareHeaders();
  const options = [`--nodedir=${headers}`, '--force-process-config', '--loglevel=warn'];
  await shell`${process.execPath} ${gyp} configure ${options}`;
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

async function main() {
  if (!argv.force && !argv.portable && isCurrent()) {
    console.log(`${name} is up to date`);
    return;
  }
  const tool = chooseTool();
  if (argv.force) fs.removeSync(at('build'));
  console.log(`Building ${name} with ${tool === 'cmake' ? 'cmake-js' : 'node-gyp'} ...`);
  await (tool === 'cmake' ? buildWithCMake() : buildWithGyp());
  if (!fs.existsSync(binary)) throw new BuildError(`the build ended without making ${name}`);
  fs.utimesSync(binary, new Date(), new Date()); // a build that had nothing to link is current too
  console.log(`Built ${name}`);
}

try {
  await main();
} catch (error) {
  const ended = `the build tool ended with exit code ${error.exitCode}; its first error, above, says why`;
  const message = error instanceof ProcessOutput ? ended : String(error.message ?? error);
  console.error(`error: the native addon was not built: ${message}`);
  process.exitCode = 1;
}
