import { percent } from '../consumers/lines.js';
import { html } from './escape.js';
import type { MaskPoint } from './metrics.js';

/** Columns of a heat map: more would only make the page heavy. */
const MAX_COLUMNS = 60;
const ROW = 14;
const LABEL = 230;
const WIDTH = 760;
const AXIS = 22;

/** From one step to the next, with the densities that held. */
interface Column {
  readonly from: number;
  readonly to: number;
  readonly densities: ReadonlyMap<string, number>;
}

/** The first masks, the last ones, and so many of those between that the map stays small. */
function columnsOf(masks: readonly MaskPoint[], lastStep: number): Column[] {
  const group = Math.ceil(masks.length / MAX_COLUMNS);
  const shown = masks.filter((_, index) => index % group === 0 || index === masks.length - 1);
  return shown.map(({ step, layers }, index) => ({
    from: step,
    to: shown[index + 1]?.step ?? Math.max(lastStep, step + 1),
    densities: new Map(layers.map(({ name, density }) => [name, density])),
  }));
}

/** Neighbours of equal density as one. */
function runs(columns: readonly Column[], layer: string): { from: number; to: number; density: number }[] {
  const merged: { from: number; to: number; density: number }[] = [];
  for (const { from, to, densities } of columns) {
    const density = densities.get(layer) ?? 1;
    const last = merged.at(-1);
    if (last?.density === density) last.to = to;
    else merged.push({ from, to, density });
  }
  return merged;
}

/** The square root sets low densities apart from each other. */
const shade = (density: number): string => Math.sqrt(Math.max(0, density)).toFixed(3);

/** Density of each layer over the steps, the darker the denser, as SVG; a pointer on a field shows its numbers. Empty without masks. */
export function heatMap(masks: readonly MaskPoint[], lastStep: number): string {
  const names = masks[0]?.layers.map(({ name }) => name) ?? [];
  const columns = columnsOf(masks, lastStep);
  const [first, last] = [columns[0]?.from ?? 0, columns.at(-1)?.to ?? 1];
  if (names.length === 0) return '';
  const x = (step: number): number => LABEL + (WIDTH * (step - first)) / Math.max(1, last - first);
  const field = (name: string, row: number): string =>
    runs(columns, name)
      .map(({ from, to, density }) => {
        const box = `x="${x(from).toFixed(1)}" y="${row * ROW}" width="${(x(to) - x(from)).toFixed(1)}" height="${ROW - 1}"`;
        const title = `${html(name)}, steps ${from} to ${to}: ${percent(density)}`;
        return `<rect ${box} fill-opacity="${shade(density)}"><title>${title}</title></rect>`;
      })
      .join('');
  const label = (name: string, row: number): string =>
    `<text x="${LABEL - 8}" y="${row * ROW + 11}">${html(name)}</text>`;
  const bottom = names.length * ROW + 14;
  return [
    '<div class="wide">',
    `<svg class="heat" role="img" aria-label="density per layer over the steps" viewBox="0 0 ${LABEL + WIDTH} ${names.length * ROW + AXIS}">`,
    `<g class="labels">${names.map(label).join('')}</g>`,
    `<g class="fields">${names.map(field).join('\n')}</g>`,
    `<g class="axis"><text x="${LABEL}" y="${bottom}">step ${first}</text>`,
    `<text class="end" x="${LABEL + WIDTH}" y="${bottom}">${last}</text></g>`,
    '</svg>',
    '</div>',
  ].join('\n');
}
