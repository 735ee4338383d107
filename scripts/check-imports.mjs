// Keeps the arrows of the architecture (who may know whom), and out of the files what belongs to one machine only.
// Usage: node scripts/check-imports.mjs
import { posix } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { projectFiles } from './lib/files.mjs';

/** native <- core <- masks, data <- cli. Errors of native reach masks and data through core. */
const PACKAGE_MAY_IMPORT = {
  native: [],
  core: ['native'],
  masks: ['core'],
  data: ['native', 'core'],
  cli: ['native', 'core', 'masks', 'data'],
};

/** addon -> contract <- cpu, cuda; images_addon -> images. `contract` is native/include, the rest are folders of native/src. */
const LAYER_MAY_INCLUDE = {
  contract: [],
  memory: ['contract'],
  profile: ['contract'],
  shape: ['contract'],
  addon: ['contract', 'memory', 'shape'],
  images: ['contract'],
  images_addon: ['images'],
  cpu: ['contract', 'memory', 'profile', 'shape'],
  cuda: ['contract', 'memory', 'profile', 'shape'],
};

/** System headers that few folders may include. */
const HEADER_BELONGS_TO = [
  { header: /^(napi|node_api|js_native_api)\b/, layers: ['addon', 'images_addon'] },
  { header: /^(cuda(?!\/)|cublas|cudnn|cusparse|nccl|cub\/)/, layers: ['cuda'] },
  { header: /^j(peglib|error)\.h$/, layers: ['images'] },
];

/** What must be in no file, whatever its kind. */
const FORBIDDEN = [
  { pattern: /registry\.(npmjs|yarnpkg|npmmirror)|\bpypi\.org|\bfiles\.pythonhosted/, rule: 'no registry host names' },
  { pattern: /(?<![\w.@~-])\/(work|root|tmp\/team)\//, rule: 'no absolute paths of one machine' },
];

const lineAt = (text, position) => text.slice(0, position).split('\n').length;

/** The package whose sources a path belongs to; undefined for tests, benchmarks, examples and scripts, which may import all. */
function packageOf(path) {
  const [, name] = path.match(/^packages\/([^/]+)\/(?:src|bin)\//) ?? path.match(/^(native)\/lib\//) ?? [];
  return name;
}

function* importViolations({ path, text }) {
  const from = packageOf(path);
  if (from === undefined || !/\.(ts|mts|mjs|js)$/.test(path)) return;
  for (const { fileName, pos } of ts.preProcessFile(text, true, true).importedFiles) {
    const scoped = fileName.match(/^@s2sam\/([^/]+)/)?.[1];
    const relative = fileName.startsWith('.') ? packageOf(posix.join(posix.dirname(path), fileName)) : undefined;
    const line = lineAt(text, pos);
    if (relative !== undefined && relative !== from) {
      yield { path, line, rule: `import @s2sam/${relative} by its name, not as ${fileName}` };
    }
    const to = scoped ?? relative;
    if (to !== undefined && to !== from && !PACKAGE_MAY_IMPORT[from]?.includes(to)) {
      yield { path, line, rule: `${from} must not import ${to}` };
    }
  }
}

function layerOf(path) {
  if (path.startsWith('native/include/')) return 'contract';
  return path.match(/^native\/src\/([^/]+)\//)?.[1];
}

/** The layer an include means: `s2sam/...` is the contract, `cpu/...` is from native/src, the rest is beside the file. */
function includedLayer(path, name) {
  if (name.startsWith('s2sam/')) return 'contract';
  const first = name.split('/')[0];
  if (name.includes('/') && first in LAYER_MAY_INCLUDE) return first;
  return layerOf(posix.join(posix.dirname(path), name));
}

function* includeViolations({ path, text }) {
  const from = layerOf(path);
  if (from === undefined || !/\.(hpp|h|cc|cpp|cu|cuh)$/.test(path)) return;
  for (const { 1: open, 2: name, index } of text.matchAll(/^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]/gm)) {
    const line = lineAt(text, index);
    const owners = HEADER_BELONGS_TO.find(({ header }) => header.test(name))?.layers;
    const to = owners === undefined && open === '"' ? includedLayer(path, name) : undefined;
    if (owners !== undefined && !owners.includes(from)) {
      yield { path, line, rule: `${name} belongs to ${owners.join(' and ')} alone, not to ${from}` };
    } else if (to !== undefined && to !== from && !(LAYER_MAY_INCLUDE[from] ?? []).includes(to)) {
      yield { path, line, rule: `${from} must not include ${to} (${name})` };
    }
  }
}

function* textViolations({ path, text }) {
  for (const { pattern, rule } of FORBIDDEN) {
    const index = text.search(pattern);
    if (index >= 0) yield { path, line: lineAt(text, index), rule };
  }
  const tarball = path === 'pnpm-lock.yaml' ? text.search(/\btarball:/) : -1;
  if (tarball >= 0) yield { path, line: lineAt(text, tarball), rule: 'no download addresses in the lock file' };
}

/** All violations in files given as { path, text }: { path, line, rule }. */
export function violations(files) {
  return [...files].flatMap((file) => [...importViolations(file), ...includeViolations(file), ...textViolations(file)]);
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const files = [...projectFiles()];
  const found = violations(files);
  for (const { path, line, rule } of found) console.error(`${path}:${line}: ${rule}`);
  console.log(`${files.length} files checked, ${found.length} violations of the architecture`);
  process.exitCode = found.length > 0 ? 1 : 0;
}
