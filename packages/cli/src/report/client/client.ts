import type UPlot from 'uplot';
import type { Chart } from './types.js';

/** The page carries uPlot as a plain script before this one. */
declare const uPlot: typeof UPlot;

const charts = JSON.parse(document.getElementById('charts')?.textContent ?? '[]') as Chart[];
const color = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const number = (value: number | null | undefined, unit: string): string =>
  value === null || value === undefined ? '-' : `${Number(value.toPrecision(5))}${unit}`;

function axis(): UPlot.Axis {
  return {
    stroke: color('--ink'),
    grid: { stroke: color('--line'), width: 1 },
    ticks: { stroke: color('--line'), width: 1 },
  };
}

function options({ title, unit, curves }: Chart, width: number): UPlot.Options {
  return {
    title,
    width,
    height: 260,
    scales: { x: { time: false } },
    axes: [axis(), { ...axis(), size: 64, values: (_, ticks) => ticks.map((tick) => number(tick, unit)) }],
    series: [
      { label: 'step' },
      ...curves.map(
        ({ label, points }, index): UPlot.Series => ({
          label,
          stroke: color(`--curve-${index + 1}`),
          width: 1.5,
          spanGaps: points,
          points: { show: points, size: 5 },
          value: (_, value) => number(value, unit),
        }),
      ),
    ],
  };
}

const place = document.getElementById('plots') as HTMLElement;
let drawn: UPlot[] = [];

function draw(): void {
  for (const plot of drawn) plot.destroy();
  const boxes = charts.map(() => document.createElement('figure'));
  place.replaceChildren(...boxes);
  drawn = charts.map((chart, index) => {
    const box = boxes[index] as HTMLElement;
    const data = [chart.steps, ...chart.curves.map((curve) => curve.values)] as UPlot.AlignedData;
    return new uPlot(options(chart, box.clientWidth), data, box);
  });
}

draw();
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
let resized: ReturnType<typeof setTimeout> | undefined;
addEventListener('resize', () => {
  clearTimeout(resized);
  resized = setTimeout(draw, 150);
});
