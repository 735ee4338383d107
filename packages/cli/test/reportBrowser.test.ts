/// <reference lib="dom" />
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { TrainEvent } from '@s2sam/core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeReport } from '../src/report/write.js';
import { RunFolder } from '../src/run/folder.js';
import { epochEvent, maskEvent, startEvent, stepEvent, syntheticStart, wholeRun } from './events.js';

const executable = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => existsSync(path));
if (executable === undefined) console.log('skipped: no chromium in /usr/bin, so the report is not opened in a browser');

describe.skipIf(executable === undefined)('report in Chromium', () => {
  let browser: Browser;
  let dir: string;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 's2sam-browser-'));
    browser = await chromium.launch({ executablePath: executable as string, args: ['--no-sandbox'] });
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  interface Opened {
    readonly page: Page;
    /** Console errors, exceptions and requests beyond the file itself. */
    readonly trouble: string[];
  }

  async function open(
    events: readonly TrainEvent[],
    colorScheme: 'light' | 'dark' = 'light',
    width = 1200,
  ): Promise<Opened> {
    const folder = new RunFolder(mkdtempSync(join(dir, 'run-')));
    writeFileSync(folder.metrics, events.map((event) => `${JSON.stringify(event)}\n`).join(''));
    writeFileSync(folder.config, 'optimizer:\n  rho: 0.05 # <b>\n');
    writeReport(folder, folder.report);
    const address = pathToFileURL(folder.report).href;
    const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } });
    const trouble: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error') trouble.push(message.text());
    });
    page.on('pageerror', (error) => trouble.push(error.message));
    page.on('request', (request) => {
      if (request.url() !== address && !request.url().startsWith('data:')) trouble.push(request.url());
    });
    await page.goto(address);
    return { page, trouble };
  }

  /** Per canvas, the number of pixels in the given colour (within rounding of its edges). */
  const pixelsOf = (page: Page, variable: string): Promise<number[]> =>
    page.evaluate(async (name) => {
      await new Promise(requestAnimationFrame);
      const probe = document.createElement('div');
      probe.style.color = `var(${name})`;
      document.body.append(probe);
      const [r = 0, g = 0, b = 0] = (getComputedStyle(probe).color.match(/\d+/g) ?? []).map(Number);
      probe.remove();
      return [...document.querySelectorAll('canvas')].map((canvas) => {
        const { data } = (canvas.getContext('2d') as CanvasRenderingContext2D).getImageData(
          0,
          0,
          canvas.width,
          canvas.height,
        );
        let count = 0;
        for (let i = 0; i < data.length; i += 4) {
          const near = [r, g, b].every((value, k) => Math.abs(value - (data[i + k] ?? 0)) < 24);
          if (near && (data[i + 3] ?? 0) > 128) count += 1;
        }
        return count;
      });
    }, variable);

  /** Contrast of a colour of the page with its background (WCAG 2, relative luminance). */
  const contrast = (page: Page, variable: string): Promise<number> =>
    page.evaluate((name) => {
      const luminance = (color: string): number => {
        const [r = 0, g = 0, b = 0] = (color.match(/\d+/g) ?? []).map((value) => {
          const share = Number(value) / 255;
          return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const probe = document.createElement('div');
      probe.style.color = `var(${name})`;
      document.body.append(probe);
      const colors = [getComputedStyle(probe).color, getComputedStyle(document.body).backgroundColor];
      probe.remove();
      const [dark = 0, light = 0] = colors.map(luminance).sort((a, b) => a - b);
      return (light + 0.05) / (dark + 0.05);
    }, variable);

  it.each(['light', 'dark'] as const)('draws every curve, asks for nothing, reads well: %s', async (scheme) => {
    const { page, trouble } = await open(wholeRun(), scheme);
    const train = await pixelsOf(page, '--curve-1');
    expect(train).toHaveLength(6);
    for (const pixels of train) expect(pixels).toBeGreaterThan(100);
    const test = await pixelsOf(page, '--curve-2');
    expect(test.map((pixels) => pixels > 10)).toEqual([true, true, false, false, false, false]);
    expect(await contrast(page, '--ink')).toBeGreaterThan(7);
    for (const color of ['--faint', '--curve-1', '--curve-2']) expect(await contrast(page, color)).toBeGreaterThan(4);
    expect(await page.title()).toMatch(/^run-\w+ - s2sam$/);
    expect(await page.locator('.u-title').allTextContents()).toEqual([
      'Loss',
      'Accuracy',
      'Learning rate',
      'Gradient norm',
      'Throughput, img/s',
      'Density',
    ]);
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('shows summary, densities and configuration as text', async () => {
    const { page, trouble } = await open(wholeRun());
    const facts = Object.fromEntries(
      await page
        .locator('table.facts tr')
        .evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent))),
    ) as Record<string, string>;
    expect(facts.state).toBe('finished');
    expect(facts['test accuracy']).toBe('50.00%');
    expect(facts.data).toBe('cifar10: 50000 + 10000 images');
    expect(facts.device).toBe('Test CPU (cpu, avx512, 2 threads)');
    const rows = await page.locator('table.layers tr:has(td)').allTextContents();
    expect(rows[1]).toBe('layer1.0.conv1.weight32 x 32 x 3 x 32304 / 921625.00%');
    const [full, quarter] = await page
      .locator('.fill')
      .evaluateAll((bars) => bars.map((bar) => bar.clientWidth / (bar.parentElement?.clientWidth ?? 1)));
    expect(full).toBeCloseTo(1, 1);
    expect(quarter).toBeCloseTo(0.25, 1);
    expect(await page.locator('pre').textContent()).toContain('rho: 0.05 # <b>');
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('answers the pointer with values', async () => {
    const { page } = await open(wholeRun());
    await page
      .locator('.u-over')
      .first()
      .hover({ position: { x: 5, y: 50 } });
    const legend = page.locator('.u-legend').first();
    await expect.poll(() => legend.textContent()).toContain('2.25');
    await page.close();
  });

  it('shows masks over time as a map and as curves', async () => {
    const at = (density: number) => startEvent().layers.map((layer) => ({ ...layer, density, dropped: 3, grown: 2 }));
    const updates = [2, 4, 6].map((step) => maskEvent(step, { layers: at(1 / step), explored: step / 8 }));
    const { page, trouble } = await open([...wholeRun().slice(0, 5), ...updates, ...wholeRun().slice(5)]);
    expect(trouble).toEqual([]);
    expect(await page.locator('.uplot').count()).toBe(9);
    const fields = page.locator('svg.heat .fields rect');
    expect(await fields.count()).toBe(8);
    const boxes = await fields.evaluateAll((all) => all.map((one) => one.getBoundingClientRect().toJSON() as DOMRect));
    // Rows lie below each other, fields of a row beside each other.
    expect(new Set(boxes.map(({ y }) => Math.round(y))).size).toBe(2);
    expect(boxes.every(({ width, height }) => width > 5 && height > 5)).toBe(true);
    const label = await page.locator('svg.heat .labels text').first().boundingBox();
    expect((label?.x ?? 0) + (label?.width ?? 0)).toBeLessThanOrEqual(boxes[0]?.x ?? 0);
    expect(await fields.first().locator('title').textContent()).toBe('conv1.weight, steps 0 to 2: 100.00%');
    await page.close();
  });

  it('warns of made-up data', async () => {
    const { page } = await open(wholeRun(syntheticStart()));
    expect(await page.locator('.synthetic').isVisible()).toBe(true);
    await page.close();
  });

  it('draws again when the colours change and when the window does', async () => {
    const { page, trouble } = await open(wholeRun(), 'light');
    await page.emulateMedia({ colorScheme: 'dark' });
    await expect.poll(async () => Math.min(...(await pixelsOf(page, '--curve-1')))).toBeGreaterThan(100);
    await page.setViewportSize({ width: 500, height: 900 });
    const widest = (): Promise<number> =>
      page.evaluate(() => Math.max(...[...document.querySelectorAll('canvas')].map((canvas) => canvas.clientWidth)));
    await expect.poll(widest).toBeLessThan(500);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow).toBeLessThanOrEqual(0);
    expect(trouble).toEqual([]);
    await page.close();
  });

  it.each([
    ['no steps', [startEvent()]],
    ['nothing at all', []],
    ['a single step', [startEvent(), stepEvent(1)]],
    [
      'only NaN',
      [startEvent(), stepEvent(1, { loss: Number.NaN }), stepEvent(2, { loss: Number.NaN, gradNorm: Infinity })],
    ],
    [
      'forty thousand steps',
      [
        startEvent({ totalSteps: 40_000 }),
        ...Array.from({ length: 40_000 }, (_, i) => stepEvent(i + 1)),
        epochEvent(0),
      ],
    ],
  ] as [string, TrainEvent[]][])('opens with %s', async (_name, events) => {
    const { page, trouble } = await open(events);
    expect(await page.locator('h1').isVisible()).toBe(true);
    expect(await page.locator('canvas').count()).toBe(events.length > 1 ? 6 : 0);
    expect(trouble).toEqual([]);
    await page.close();
  });
});
