// From nothing to a trained sparse network: sets the machine up, builds, and trains ResNet-32 at 90 % ERK sparsity with S2-SAM.
// Usage: npm run quickstart [-- [--short] [option of `s2sam train` ...]]      e.g. npm run quickstart -- --train.steps=500
// --short: a few dozen steps, to see that everything works. The last line of the output is one JSON object with the results.
import { join } from 'node:path';
import { argv } from 'node:process';
import { foreground, main, root } from './lib/command.mjs';
import { setup } from './setup.mjs';

const SHORT = ['--train.steps=30'];

await main(async () => {
  const args = argv.slice(2).filter((arg) => arg !== '--');
  const overrides = args.flatMap((arg) => (arg === '--short' ? SHORT : [arg]));
  await setup();
  const cli = join(root, 'packages', 'cli', 'bin', 's2sam.mjs');
  process.exitCode = await foreground([cli, 'train', '--preset', 'quickstart', '--summary', 'json', ...overrides]);
});
