// What the machine must have besides Node.js, and how it gets there.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, SetupError, say, step, which } from './command.mjs';

const OLDEST_COMPILER = 11;
const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome'];

/** Numbers of a version text: 'v20.19.1' -> [20, 19, 1]. */
export const versionOf = (text) => (text.match(/\d+(\.\d+)*/)?.[0] ?? '0').split('.').map(Number);

/** Whether version `a` is at least `b`, both as `versionOf` gives them. */
export function atLeast(a, b) {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

export function checkNode(version = process.version) {
  const wanted = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).engines.node;
  if (atLeast(versionOf(version), versionOf(wanted))) return;
  throw new SetupError(
    `This is Node.js ${version}; s2sam needs ${wanted}.\n` +
      `What to do: install a newer Node.js (20, 22 or 24 LTS, from nodejs.org, your package manager or nvm), then run this again.`,
  );
}

/** Major version of the C++ compiler ($CXX or g++), 0 when there is none. */
function compilerMajor() {
  const compiler = (process.env.CXX ?? 'g++').split(' ')[0];
  if (which(compiler) === undefined) return 0;
  try {
    return versionOf(execFileSync(compiler, ['-dumpversion'], { encoding: 'utf8' }))[0];
  } catch {
    return 0;
  }
}

/** node-gyp, which builds where there is no cmake, needs Python and make. */
const hasNodeGypTools = () => which('python3') !== undefined && which('make') !== undefined;

/** Whether a C++ program can be compiled against libjpeg-turbo. */
function hasJpeg() {
  const program = '#include <cstdio>\n#include <jpeglib.h>\n#ifndef JCS_EXTENSIONS\n#error\n#endif\n';
  const [compiler, ...flags] = (process.env.CXX ?? 'g++').split(' ');
  return spawnSync(compiler, [...flags, '-x', 'c++', '-fsyntax-only', '-'], { input: program }).status === 0;
}

const TOOLS = [
  {
    name: `a C++20 compiler (g++ ${OLDEST_COMPILER} or newer)`,
    why: 'compiles the native addon',
    package: 'g++',
    found: () => compilerMajor() >= OLDEST_COMPILER,
    optional: () => false,
  },
  {
    name: 'make or ninja',
    why: 'runs the compiler',
    package: 'make',
    found: () => which('make') !== undefined || which('ninja') !== undefined,
    optional: () => false,
  },
  {
    name: 'cmake',
    why: 'configures the build of the native addon',
    package: 'cmake',
    found: () => which('cmake') !== undefined,
    optional: hasNodeGypTools,
    without: 'the addon is built with node-gyp instead',
  },
  {
    name: 'libjpeg-turbo with its headers',
    why: 'decodes the images of ImageNet and other folders',
    package: 'libjpeg-dev',
    found: hasJpeg,
    optional: () => true,
    without: 'image files cannot be trained on',
  },
  {
    name: 'chromium',
    why: 'the browser that checks the HTML report in the tests',
    package: 'chromium',
    testsOnly: true,
    found: () => BROWSERS.some((name) => which(name) !== undefined),
    optional: () => true,
    // Elsewhere the package of this name is an installer for another packaging system, which containers cannot run.
    installable: () => distribution() === 'debian',
    without: 'tests that need a browser are skipped',
  },
];

function distribution() {
  try {
    return readFileSync('/etc/os-release', 'utf8').match(/^ID="?([\w.-]+)/m)?.[1];
  } catch {
    return undefined;
  }
}

/** How to run a command as root: [] as root itself, ['sudo', ...], or undefined. */
function asRoot() {
  if (process.getuid?.() === 0) return [];
  if (which('sudo') === undefined) return undefined;
  if (process.stdin.isTTY) return ['sudo'];
  try {
    execFileSync('sudo', ['-n', 'true'], { stdio: 'ignore' });
    return ['sudo', '-n'];
  } catch {
    return undefined;
  }
}

/** Why nothing can be installed here, or undefined. */
function obstacle(prefix) {
  if (which('apt-get') === undefined) return 'this machine has no apt-get';
  return prefix === undefined ? 'this needs root, or sudo without a password prompt' : undefined;
}

const describe = (tools) => tools.map((tool) => `  ${tool.package.padEnd(10)} ${tool.why}`).join('\n');
const packagesOf = (tools) => tools.map((tool) => tool.package).join(' ');

/** Makes sure that the machine has what a build (and, `forTests`, a test run) needs; installs Debian packages where it may. */
export async function ensureSystem({ forTests = false } = {}) {
  checkNode();
  const missing = TOOLS.filter((tool) => (forTests || !tool.testsOnly) && !tool.found());
  if (missing.length === 0) return;
  const prefix = asRoot();
  const reason = obstacle(prefix);
  const wanted = missing.filter((tool) => reason === undefined && (tool.installable?.() ?? true));
  if (reason !== undefined) checkNothingRequired(missing, reason);
  if (wanted.length > 0) await install(wanted, prefix);
  for (const tool of missing.filter((one) => !one.found())) say(`No ${tool.name}: ${tool.without}.`);
}

function checkNothingRequired(missing, reason) {
  const required = missing.filter((tool) => !tool.optional());
  if (required.length === 0) return;
  throw new SetupError(
    `Missing: ${required.map((tool) => tool.name).join(', ')}. It cannot be installed from here: ${reason}.\n` +
      `What to do: install these packages (names as in Debian and Ubuntu), then run this again:\n${describe(required)}\n` +
      `  e.g.: sudo apt-get install ${packagesOf(required)}`,
  );
}

async function install(tools, prefix) {
  say(`Installing Debian packages${prefix.length > 0 ? ' with sudo' : ''}:\n${describe(tools)}`);
  const apt = (...args) => {
    const [command, ...rest] = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...args];
    const remedy = `look at apt-get's message above, or install the packages yourself: ${packagesOf(tools)}.`;
    return run(command, rest, { remedy });
  };
  const get = (some) =>
    apt(
      'install',
      '-y',
      '--no-install-recommends',
      '-o',
      'DPkg::Lock::Timeout=120',
      ...some.map((tool) => tool.package),
    );
  const optional = tools.filter((tool) => tool.optional());
  const required = tools.filter((tool) => !tool.optional());
  await attempt(required.length === 0, () => step('  apt-get update', () => apt('update')));
  if (required.length > 0) await step(`  apt-get install ${packagesOf(required)}`, () => get(required));
  for (const tool of optional) await attempt(true, () => step(`  apt-get install ${tool.package}`, () => get([tool])));
  const still = required.find((tool) => !tool.found());
  if (still !== undefined) {
    throw new SetupError(
      `apt-get installed ${still.package}, but there is still no ${still.name}.\n` +
        `What to do: install a newer one, e.g. g++-12, and name it in the environment: CXX=g++-12.`,
    );
  }
}

/** What is only nice to have may fail, with a word about it. */
async function attempt(mayFail, work) {
  try {
    await work();
  } catch (error) {
    if (!mayFail || !(error instanceof SetupError)) throw error;
    say(error.message);
  }
}
