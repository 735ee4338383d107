#!/usr/bin/env node
import { existsSync } from 'node:fs';

const entry = new URL('../dist/index.js', import.meta.url);

if (existsSync(entry)) {
  const { main } = await import(entry.href);
  await main(process.argv);
} else {
  console.error('error: s2sam has not been built; run `npm run setup` in the root of the project first');
  process.exitCode = 1;
}
