// Makes the platform package of this machine, e.g. build/packages/s2sam-native-linux-x64-0.1.0.tgz: the portable binary and
// nothing else. The loader of @s2sam/native finds it once it is installed beside it.
//
//   node native/scripts/pack.mjs
import { fileURLToPath } from 'node:url';
import { $, fs, path } from 'zx';

const root = fileURLToPath(new URL('..', import.meta.url));
const { version, license, engines, repository } = fs.readJsonSync(path.join(root, 'package.json'));
const platform = `${process.platform}-${process.arch}`;
const folder = path.join(root, 'build', 'packages', `native-${platform}`);
const file = 's2sam_cpu.node';

const manifest = {
  name: `@s2sam/native-${platform}`,
  version,
  description: `The CPU binary of s2sam for ${platform}`,
  license,
  repository,
  engines,
  os: [process.platform],
  cpu: [process.arch],
  libc: ['glibc'],
  preferUnplugged: true,
  exports: { [`./${file}`]: `./${file}`, './package.json': './package.json' },
  files: [file],
};

const shell = $({ cwd: root, stdio: 'inherit', verbose: false });
await shell`${process.execPath} ${path.join(root, 'scripts', 'build.mjs')} --portable`;
fs.emptyDirSync(folder);
fs.copySync(path.join(root, 'build', 'Release', file), path.join(folder, file));
await shell`strip --strip-unneeded ${path.join(folder, file)}`;
fs.writeJsonSync(path.join(folder, 'package.json'), manifest, { spaces: 2 });
await $({ cwd: folder, stdio: 'inherit' })`npm pack --pack-destination ..`;
