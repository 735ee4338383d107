// Makes a platform package of this machine, e.g. build/packages/s2sam-native-linux-x64-0.1.0.tgz, or ...-linux-x64-cuda-... : the
// portable binary and nothing else. The loader of @s2sam/native finds it once it is installed beside it.
//
//   node native/scripts/pack.mjs [--backend cpu|cuda]
import { fileURLToPath } from 'node:url';
import { $, argv, fs, path } from 'zx';

const root = fileURLToPath(new URL('..', import.meta.url));
const { version, license, engines, repository } = fs.readJsonSync(path.join(root, 'package.json'));
const backend = argv.backend ?? 'cpu';
const platform = `${process.platform}-${process.arch}${backend === 'cpu' ? '' : `-${backend}`}`;
const folder = path.join(root, 'build', 'packages', `native-${platform}`);
const file = `s2sam_${backend}.node`;

const manifest = {
  name: `@s2sam/native-${platform}`,
  version,
  description: `The ${backend} binary of s2sam for ${process.platform}-${process.arch}`,
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
process.env.S2SAM_CUDA = '1'; // a package without its binary would be none
await shell`${process.execPath} ${path.join(root, 'scripts', 'build.mjs')} --backend ${backend} --portable`;
fs.emptyDirSync(folder);
fs.copySync(path.join(root, 'build', 'Release', file), path.join(folder, file));
await shell`strip --strip-unneeded ${path.join(folder, file)}`;
fs.writeJsonSync(path.join(folder, 'package.json'), manifest, { spaces: 2 });
await $({ cwd: folder, stdio: 'inherit' })`npm pack --pack-destination ..`;
