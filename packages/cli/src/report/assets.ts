import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** Style and script that every page carries in itself. */
export interface Assets {
  readonly style: string;
  readonly script: string;
  readonly plotStyle: string;
  readonly plotScript: string;
}

const require = createRequire(import.meta.url);
// The same two steps up from src/report and from dist/report.
const ours = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Reads our own style and compiled client script, and those of the installed uPlot. */
export function readAssets(): Assets {
  const read = (path: string): string => readFileSync(path, 'utf8');
  return {
    style: read(ours('src/report/style.css')),
    script: read(ours('dist/report/client/client.js')),
    plotStyle: read(require.resolve('uplot/dist/uPlot.min.css')),
    plotScript: read(require.resolve('uplot/dist/uPlot.iife.min.js')),
  };
}
