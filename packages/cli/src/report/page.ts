import { percent } from '../consumers/lines.js';
import type { Assets } from './assets.js';
import { bucketSize, makeCharts } from './charts.js';
import { html, json } from './escape.js';
import { facts, notes } from './facts.js';
import { heatMap } from './heatMap.js';
import type { Metrics } from './metrics.js';

export interface ReportInput {
  readonly title: string;
  readonly metrics: Metrics;
  /** The run's configuration as YAML; empty when unknown. */
  readonly config: string;
  /** The density that was asked for, where known. */
  readonly nominal?: number;
}

const paragraphs = (texts: readonly string[]): string =>
  texts.map((text) => `<p class="note">${html(text)}</p>`).join('\n');

function factTable(metrics: Metrics, nominal?: number): string {
  const rows = facts(metrics, nominal).map(
    ([label, value]) => `<tr><th>${html(label)}</th><td>${html(value)}</td></tr>`,
  );
  return `<table class="facts">\n${rows.join('\n')}\n</table>`;
}

type Layer = Metrics['layers'][number];

function layerRow({ name, shape, kept, size, density, dropped, grown }: Layer): string {
  const width = Math.max(0, Math.min(100, 100 * density)).toFixed(2);
  return (
    `<tr><td>${html(name)}</td><td>${html(shape.join(' x '))}</td><td class="count">${kept} / ${size}</td>` +
    `<td class="count">${percent(density)}</td>` +
    (dropped === undefined || grown === undefined ? '' : `<td class="count">-${dropped} +${grown}</td>`) +
    `<td class="bar"><div class="track"><div class="fill" style="width: ${width}%"></div></div></td></tr>`
  );
}

function layerTable(layers: readonly Layer[]): string {
  if (layers.length === 0) return '<p class="note">No layer is masked.</p>';
  const churn = layers.some(({ dropped }) => dropped !== undefined) ? '<th>last update</th>' : '';
  const head = `<tr><th>layer</th><th>shape</th><th>kept</th><th>density</th>${churn}<th></th></tr>`;
  return `<div class="wide"><table class="layers">\n${head}\n${layers.map(layerRow).join('\n')}\n</table></div>`;
}

const banner = (synthetic: boolean): string =>
  synthetic
    ? '<p class="synthetic"><strong>Synthetic data.</strong> The images of this run are made up; its accuracy says nothing about a real data set.</p>'
    : '';

/** The whole page. Its policy forbids every request: what it shows, it carries. */
export function page({ title, metrics, config, nominal }: ReportInput, assets: Assets): string {
  const charts = makeCharts(metrics);
  const { start } = metrics;
  const lead =
    start === undefined ? '' : `${start.model} on ${start.dataset.name}, ${start.sparsity}, ${start.optimizer}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${html(title)} - s2sam</title>
<style>${assets.plotStyle}</style>
<style>${assets.style}</style>
</head>
<body>
<h1>${html(title)}</h1>
<p class="lead">${html(lead)}</p>
${banner(start?.dataset.synthetic === true)}
<h2>Summary</h2>
${factTable(metrics, nominal)}
<h2>Curves</h2>
${charts.length === 0 ? '<p class="note">No steps were recorded.</p>' : ''}
${paragraphs(notes(metrics, bucketSize(metrics.steps.length)))}
<div id="plots"></div>
<h2>Density per layer</h2>
${metrics.masks.length > 1 ? heatMap(metrics.masks, metrics.steps.at(-1)?.step ?? 0) : ''}
${layerTable(metrics.layers)}
<h2>Configuration</h2>
<pre>${html(config)}</pre>
<script type="application/json" id="charts">${json(charts)}</script>
<script>${assets.plotScript}</script>
<script type="module">${assets.script}</script>
</body>
</html>
`;
}
