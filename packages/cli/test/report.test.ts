import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LayerDensity, TrainEvent } from '@s2sam/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAssets } from '../src/report/assets.js';
import { makeCharts } from '../src/report/charts.js';
import { bucketEnds, bucketMeans } from '../src/report/downsample.js';
import { html, json } from '../src/report/escape.js';
import { readMetrics } from '../src/report/metrics.js';
import { page } from '../src/report/page.js';
import { epochEvent, layers, maskEvent, startEvent, stepEvent, syntheticStart, wholeRun } from './events.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 's2sam-report-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const metricsOf = (events: readonly TrainEvent[], tail = ''): ReturnType<typeof readMetrics> => {
  const path = join(dir, 'metrics.jsonl');
  writeFileSync(path, events.map((event) => `${JSON.stringify(event)}\n`).join('') + tail);
  return readMetrics(path);
};

const pageOf = (events: readonly TrainEvent[], config = 'train: {}'): string =>
  page({ title: 'a run', metrics: metricsOf(events), config }, readAssets());

describe('metrics', () => {
  it('are what was logged, a torn last line aside', () => {
    const metrics = metricsOf(wholeRun(), '{"type":"step","st');
    expect(metrics.steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(metrics.epochs).toHaveLength(2);
    expect(metrics.end?.reason).toBe('finished');
    expect(metrics.layers.map(({ density }) => density)).toEqual([1, 0.25]);
  });

  it('of a resumed run hold each step once, as it was done last', () => {
    const again = [startEvent({ startStep: 4 }), stepEvent(5, { loss: 9 })];
    const metrics = metricsOf([...wholeRun(), ...again]);
    expect(metrics.steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
    expect(metrics.steps.at(-1)?.loss).toBe(9);
    expect(metrics.epochs).toHaveLength(1);
    expect(metrics.end).toBeUndefined();
  });
});

describe('masks over time', () => {
  const atDensity = (density: number): LayerDensity[] =>
    layers.map((layer) => ({ ...layer, kept: layer.size * density, density }));
  const update = (step: number, density: number): TrainEvent =>
    maskEvent(step, {
      layers: atDensity(density).map((layer) => ({ ...layer, dropped: 5, grown: 4 })),
      explored: density,
    });
  const run = (updates: readonly TrainEvent[]): TrainEvent[] => [
    startEvent({ layers: atDensity(1) }),
    ...updates,
    stepEvent(8),
  ];

  it('are the first masks and every update; a resumed run replaces those it did again', () => {
    const metrics = metricsOf([
      ...run([update(3, 0.5), update(6, 0.25)]),
      startEvent({ startStep: 4 }),
      update(6, 0.125),
    ]);
    expect(metrics.masks.map(({ step, dropped, explored }) => [step, dropped, explored])).toEqual([
      [0, null, null],
      [3, 10, 0.5],
      [6, 10, 0.125],
    ]);
    expect(metrics.layers.map(({ density, dropped }) => [density, dropped])).toEqual([
      [0.125, 5],
      [0.125, 5],
    ]);
  });

  it('make charts of churn, exploration and FLOPs, but not where masks stay', () => {
    const titles = (events: TrainEvent[]): string[] => makeCharts(metricsOf(events)).map(({ title }) => title);
    expect(titles(wholeRun())).toHaveLength(6);
    const charts = makeCharts(metricsOf(run([update(3, 0.5), update(6, 0.25)])));
    expect(charts.slice(6).map(({ title, curves }) => [title, curves.map(({ values }) => values)])).toEqual([
      [
        'Weights replaced per mask update',
        [
          [10, 10],
          [8, 8],
        ],
      ],
      ['Weights ever alive (ITOP)', [[50, 25]]],
      ['Inference FLOPs of dense', [Array(3).fill(expect.closeTo((100 * 96_400_000) / 551_225_856, 9))]],
    ]);
  });

  it('make a heat map: a field per layer and stretch of equal density', () => {
    const text = pageOf(run([update(3, 0.36), update(6, 0.36), update(7, 0.16)]));
    const fields = [
      ...text.matchAll(/<rect x="([\d.]+)"[^>]*width="([\d.]+)"[^>]*fill-opacity="([\d.]+)"><title>([^<]*)</g),
    ];
    expect(fields.map(([, , , , title]) => title)).toEqual([
      'conv1.weight, steps 0 to 3: 100.00%',
      'conv1.weight, steps 3 to 7: 36.00%',
      'conv1.weight, steps 7 to 8: 16.00%',
      'layer1.0.conv1.weight, steps 0 to 3: 100.00%',
      'layer1.0.conv1.weight, steps 3 to 7: 36.00%',
      'layer1.0.conv1.weight, steps 7 to 8: 16.00%',
    ]);
    const numbers = fields.slice(0, 3).map(([, x, width, opacity]) => [x, width, opacity].map(Number));
    // 760 wide over 8 steps; the shade is the square root of the density.
    expect(numbers).toEqual([
      [230, 285, 1],
      [515, 380, 0.6],
      [895, 95, 0.4],
    ]);
    expect(pageOf(wholeRun())).not.toContain('<svg');
  });

  it('of a thousand updates of many layers stay small', () => {
    const many = (density: number): LayerDensity[] =>
      Array.from({ length: 54 }, (_, i) => ({
        ...(layers[0] as LayerDensity),
        name: `layer${i}.conv.weight`,
        density,
      }));
    const updates = Array.from({ length: 1000 }, (_, i) =>
      maskEvent(i + 1, { layers: many(1 - i / 1000).map((layer) => ({ ...layer, dropped: 1, grown: 0 })) }),
    );
    const text = pageOf([startEvent({ layers: many(1) }), ...updates]);
    expect(text.match(/<rect/g)?.length).toBeLessThanOrEqual(54 * 61);
    expect(text.length).toBeLessThan(1_000_000);
  });

  it('are told in the summary, with what was asked for', () => {
    const text = page(
      { title: 'a run', metrics: metricsOf([...run([update(3, 0.5)]), epochEvent(0)]), config: '', nominal: 0.1 },
      readAssets(),
    );
    expect(text).toContain('<td>50.00% (5,040 of 10,080 kept), asked for 90.00%</td>');
    expect(text).toContain('<td>96.4 MFLOPs per image, 17.49% of dense (551 MFLOPs)</td>');
    expect(text).toContain('<td class="count">-5 +4</td>');
  });

  it('warnings are shown', () => {
    const text = pageOf([...wholeRun(), { type: 'warning', step: 3, message: 'layer <fc> is empty' }]);
    expect(text).toContain('Step 3: layer &lt;fc&gt; is empty');
  });
});

describe('charts', () => {
  it('put training and test on one axis', () => {
    const [loss] = makeCharts(metricsOf(wholeRun()));
    expect(loss?.steps).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(loss?.curves.map(({ values }) => values)).toEqual([
      [2.25, 2, 1.75, 1.5, 1.25, 1, 0.75, 0.5],
      [null, null, null, 1.75, null, null, null, 1.75],
    ]);
  });

  it('of fifty thousand steps have at most two thousand points, and the right mean', () => {
    const events = Array.from({ length: 50_000 }, (_, i) => stepEvent(i + 1, { loss: i, lr: 1 }));
    const charts = makeCharts(
      metricsOf([startEvent({ totalSteps: 50_000 }), ...events, epochEvent(0, { step: 12_345 })]),
    );
    const [loss] = charts;
    expect(loss?.steps.length).toBeLessThanOrEqual(2001);
    expect(loss?.steps.at(-1)).toBe(50_000);
    expect(loss?.steps).toContain(12_345);
    const trained = charts[2]?.curves[0]?.values as number[];
    expect(trained.length).toBe(2000);
    const values = (loss?.curves[0]?.values ?? []) as number[];
    expect(values[0]).toBe(12);
    // The evaluation lies inside a bucket: the training curve holds its value there and is not torn.
    expect(values.every((value) => value !== null)).toBe(true);
  });

  it('leave a gap where the loss was NaN', () => {
    const [loss] = makeCharts(
      metricsOf([startEvent(), stepEvent(1), stepEvent(2, { loss: Number.NaN }), stepEvent(3)]),
    );
    expect(loss?.curves[0]?.values).toEqual([2.25, null, 1.75]);
  });

  it('of a run that has not begun are none', () => {
    expect(makeCharts(metricsOf([startEvent()]))).toEqual([]);
    expect(makeCharts(metricsOf([]))).toEqual([]);
  });

  it.each([
    [[1, 2, 3, 4, 5], 2, [1.5, 3.5, 5]],
    [[null, null, 1, null], 2, [null, 1]],
    [[], 3, []],
  ])('means of %j by %i', (values, size, expected) => {
    expect(bucketMeans(values, size)).toEqual(expected);
  });

  it('ends of buckets', () => {
    expect(bucketEnds([1, 2, 3, 4, 5], 2)).toEqual([2, 4, 5]);
  });
});

describe('page', () => {
  it('escapes what a run may contain', () => {
    const evil = '</script><script>alert(1)</script>';
    const text = pageOf(
      [startEvent({ model: evil, layers: [{ name: evil, shape: [1], kept: 1, size: 1, density: 1 }] })],
      evil,
    );
    expect(text).not.toContain(evil);
    expect(html(`<a href="x">'&`)).toBe('&lt;a href=&quot;x&quot;&gt;&#39;&amp;');
    expect(json('</script>\u2028')).toBe('"\\u003c/script>\\u2028"');
    expect(JSON.parse(json('</script>\u2028'))).toBe('</script>\u2028');
  });

  it('refers to nothing outside itself', () => {
    const text = pageOf(wholeRun());
    // uPlot's licence comment names its home; nothing else may hold an address.
    const withoutComments = text.replace(/\/\*![\s\S]*?\*\//g, '');
    expect(withoutComments).not.toMatch(/https?:\/\/(?!www\.w3\.org)/);
    expect(withoutComments).not.toMatch(/<(link|script|img|iframe)[^>]*(src|href)="(?!data:)/);
  });

  it('keeps the licence of uPlot', () => {
    expect(readAssets().plotScript).toMatch(/^\/\*! https?:\/\/\S*uPlot/);
  });

  it('says synthetic when the data is made up, and only then', () => {
    expect(pageOf(wholeRun(syntheticStart()))).toContain('Synthetic data.');
    expect(pageOf(wholeRun())).not.toContain('Synthetic data.');
  });

  it('takes a run without a single step', () => {
    expect(pageOf([startEvent()])).toContain('No steps were recorded.');
    expect(pageOf([])).toContain('the run did not start');
  });

  it('stays small', () => {
    const events = Array.from({ length: 30_000 }, (_, i) => stepEvent(i + 1));
    expect(pageOf([startEvent(), ...events]).length).toBeLessThan(600_000);
    expect(readFileSync(join(dir, 'metrics.jsonl')).length).toBeGreaterThan(4_000_000);
  });
});
