// The files that belong to the project.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './command.mjs';

const NOT_OURS = new Set(['node_modules', 'dist', 'build', 'runs', '.git', '.tools', '.cache', '.cuda']);

function walk(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    if (NOT_OURS.has(entry.name)) return [];
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    return entry.isDirectory() ? walk(path) : [path];
  });
}

/** Paths from the root of all files git tracks or would add; in a copy without git, of all that is not installed or built. */
function projectPaths() {
  if (!existsSync(join(root, '.git'))) return walk('');
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  const list = execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });
  return list.split('\0').filter((path) => path !== '' && existsSync(join(root, path)));
}

/** The project's text files as { path, text }. */
export function* projectFiles() {
  for (const path of projectPaths()) {
    const content = readFileSync(join(root, path));
    if (!content.includes(0)) yield { path, text: content.toString('utf8') };
  }
}
