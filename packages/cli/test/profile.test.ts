import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDevice } from '@s2sam/core';
import type { ProfileSpan } from '@s2sam/native';
import { beforeAll, describe, expect, it } from 'vitest';
import { activationPasses, opMilliseconds, totals } from '../src/profile/summary.js';
import { choiceTable, layerTable, opTable } from '../src/profile/tables.js';
import { chromeTrace } from '../src/profile/trace.js';
import { Workload } from '../src/profile/workload.js';
import { run } from './command.js';

const BATCH = 16;
const options = {
  model: 'resnet20',
  batch: BATCH,
  density: 0.3,
  layout: 'uniform',
  dense: 'stemAndClassifier',
  optimizer: 's2sam',
  seed: 1,
} as const;

/** Height and width of what each stage of a CIFAR ResNet computes. */
const side = (layer: string): number => (layer.startsWith('layer3') ? 8 : layer.startsWith('layer2') ? 16 : 32);

describe('a profile of two steps of ResNet-20', () => {
  let spans: ProfileSpan[];
  let layers: string[];
  let kept: Map<string, number>;
  let passes: number;

  beforeAll(async () => {
    await using device = await openDevice('cpu', { threads: 2 });
    using workload = new Workload(device, options);
    await workload.step();
    device.beginProfile();
    await workload.step();
    await workload.step();
    spans = await device.endProfile();
    layers = workload.layers;
    kept = new Map(layers.map((layer) => [layer, workload.kept(layer)]));
    passes = activationPasses(spans, 2, workload.convolutionOutputs * BATCH, 'f32');
  });

  it('has the ops in the order they ran, one after another', () => {
    for (const [i, { begin, end }] of spans.entries()) {
      expect(end).toBeGreaterThanOrEqual(begin);
      expect(begin).toBeGreaterThanOrEqual(spans[i - 1]?.end ?? 0);
    }
  });

  it('has every pass over every layer, twice, under its name', () => {
    const convolutions = layers.filter((layer) => layer !== 'fc' && layer !== 'linear');
    expect(convolutions).toHaveLength(21);
    for (const op of ['conv2d', 'conv2dBackwardWeight']) {
      const labels = spans.filter((span) => span.op === op).map(({ label }) => label);
      expect(labels.toSorted()).toEqual([...convolutions, ...convolutions].toSorted());
    }
  });

  it('counts two operations for each kept weight, image and place', () => {
    for (const { op, label, flops } of spans) {
      if (!op.startsWith('conv2d')) continue;
      expect(flops).toBeCloseTo(2 * BATCH * (kept.get(label) as number) * side(label) ** 2, -1);
    }
  });

  it('counts what batch norm and adds have to move: 5 passes without ReLU, up to 8 with residual and ReLU', () => {
    expect(passes).toBeGreaterThan(5);
    expect(passes).toBeLessThanOrEqual(8);
  });

  it('has tables whose rows add up to the time of all ops', () => {
    const limits = { arithmetic: 100, memory: 20 };
    const sum = [...totals(spans, 2, limits, ({ op }) => op).values()].reduce(
      (all, { milliseconds }) => all + milliseconds,
      0,
    );
    expect(sum).toBeCloseTo(opMilliseconds(spans, 2), 6);
    const ops = opTable(spans, 2, limits).rows;
    expect(ops.reduce((all, row) => all + Number(row[1]), 0)).toBeCloseTo(opMilliseconds(spans, 2), 0);
    const rows = layerTable(spans, 2, limits).rows;
    expect(rows[0]?.[0]).toBe(layers[0]);
    const labelled = opMilliseconds(
      spans.filter(({ label }) => label !== ''),
      2,
    );
    expect(rows.reduce((all, row) => all + Number(row[5]), 0)).toBeCloseTo(labelled, 0);
  });

  it('becomes a trace of complete events in microseconds', () => {
    const { traceEvents } = JSON.parse(chromeTrace(spans)) as { traceEvents: Record<string, unknown>[] };
    expect(traceEvents).toHaveLength(spans.length);
    for (const [i, event] of traceEvents.entries()) {
      const { begin, end, op } = spans[i] as ProfileSpan;
      expect(event).toMatchObject({ ph: 'X', cat: op, pid: 1, tid: 1 });
      expect(event.ts).toBeCloseTo(begin * 1e6, 3);
      expect(event.dur).toBeCloseTo((end - begin) * 1e6, 3);
    }
  });
});

describe('the table of kernels', () => {
  it('shows what was chosen and what came next', () => {
    const candidates = [
      { kernel: 'slow', milliseconds: 3 },
      { kernel: 'fast', milliseconds: 1 },
      { kernel: 'middling', milliseconds: 2 },
    ];
    const { rows } = choiceTable([
      { label: 'conv1', op: 'conv2d', density: 0.1, kernel: 'fast', candidates, refused: [] },
    ]);
    expect(rows).toEqual([['conv1', 'conv2d', '0.1000', 'fast', '1.00', '2.00', 'middling']]);
  });
});

describe('the commands', () => {
  it('profile prints layers and ops and writes a trace', async () => {
    const folder = mkdtempSync(join(tmpdir(), 's2sam-profile-'));
    const trace = join(folder, 'trace.json');
    const args = ['--model', 'resnet20', '--batch', '8', '--density', '0.2', '--steps', '1', '--trace', trace];
    const { code, lines, stderr } = await run(folder, ['profile', ...args]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(lines[0]).toBe('resnet20, density 0.2 (uniform), batch 8 of 32x32, s2sam, f32');
    expect(lines.some((line) => line.startsWith('layer3.2.conv2 '))).toBe(true);
    expect(lines.some((line) => line.startsWith('conv2dBackwardWeight '))).toBe(true);
    expect(lines.some((line) => line.startsWith('activations '))).toBe(true);
    expect((JSON.parse(readFileSync(trace, 'utf8')) as { traceEvents: unknown[] }).traceEvents.length).toBeGreaterThan(
      50,
    );
  });

  it('doctor --layers lists every pass of every masked layer', async () => {
    const args = ['--layers', '--model', 'resnet20', '--batch', '16', '--density', '0.1'];
    const { code, lines, stderr } = await run(tmpdir(), ['doctor', ...args]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const conv = lines.filter((line) => line.startsWith('layer2.1.conv1 '));
    expect(conv.map((line) => line.split(/ +/)[1]).toSorted()).toEqual([
      'conv2d',
      'conv2dBackwardData',
      'conv2dBackwardWeight',
    ]);
  });

  it('say what is wrong with an impossible wish', async () => {
    const { code, stderr } = await run(tmpdir(), ['profile', '--model', 'resnet9000']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/no model resnet9000.*resnet20/s);
  });
});
