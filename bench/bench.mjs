// Benchmarks, on an up-to-date build. Usage: npm run bench -- [--built] NAME [options]; each other file of this folder is one of that
// name. --built: takes what is there, where nothing can be built.
import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { main, SetupError } from '../scripts/lib/command.mjs';
import { setup } from '../scripts/setup.mjs';

const names = readdirSync(dirname(fileURLToPath(import.meta.url)))
  .filter((file) => file.endsWith('.mjs') && file !== 'bench.mjs' && file !== 'report.mjs')
  .map((file) => file.slice(0, -'.mjs'.length));

await main(async () => {
  const words = argv.slice(2).filter((arg) => arg !== '--');
  const built = words[0] === '--built';
  const [name, ...args] = built ? words.slice(1) : words;
  if (name === undefined || !names.includes(name)) {
    throw new SetupError(`Which benchmark? One of: ${names.join(', ')}. Its options: npm run bench -- NAME --help`);
  }
  if (!built) await setup();
  const benchmark = await import(`./${name}.mjs`);
  await benchmark.run(args, { built });
});
