// Benchmarks, on an up-to-date build. Usage: npm run bench -- NAME [options]; each other file of this folder is one of that name.
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
  const [name, ...args] = argv.slice(2).filter((arg) => arg !== '--');
  if (name === undefined || !names.includes(name)) {
    throw new SetupError(`Which benchmark? One of: ${names.join(', ')}. Its options: npm run bench -- NAME --help`);
  }
  await setup();
  const benchmark = await import(`./${name}.mjs`);
  await benchmark.run(args);
});
