import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { IoError, type TrainEvent } from '@s2sam/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Checkpointer } from '../src/consumers/checkpointer.js';
import { type Consumer, consume, tolerant } from '../src/consumers/consumer.js';
import { JsonLines } from '../src/consumers/jsonl.js';
import { LineLog } from '../src/consumers/lineLog.js';
import { clock, flops } from '../src/consumers/lines.js';
import { ProgressBar } from '../src/consumers/progress.js';
import { RunFolder } from '../src/run/folder.js';
import { SummaryKeeper } from '../src/run/summary.js';
import { endEvent, epochEvent, maskEvent, startEvent, stepEvent, syntheticStart, wholeRun } from './events.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 's2sam-consumers-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function* stream(events: readonly TrainEvent[]): AsyncGenerator<TrainEvent> {
  yield* events;
}

describe('line log', () => {
  const logged = (events: readonly TrainEvent[], every: number): string[] => {
    const lines: string[] = [];
    const log = new LineLog((line) => lines.push(line), every);
    for (const event of events) log.on(event);
    return lines;
  };

  it('is this text', () => {
    expect(logged(wholeRun(), 3)).toEqual([
      'data      cifar10: 50,000 training and 10,000 test images, 10 classes',
      'model     resnet32: 1,860,522 parameters, 190,496 not masked',
      'sparsity  static(erk), density 10.00% of the maskable weights',
      'inference 96.4 MFLOPs per image, 17.49% of dense',
      'optimizer s2sam(sgd), batch 128, seed 3',
      'device    Test CPU (cpu, avx512, 2 threads)',
      'length    8 steps of 4 per epoch',
      'epoch   0  step 3/8 ( 37%)  loss 1.7500 (2.0000)  acc  12.50%  512 img/s  wait 1.0%  lr 0.100  grad 1.500  density 10.00%',
      'epoch   0 done  train loss 1.8750 acc 15.63%  test loss 1.7500 acc 25.00% (best 25.00%)  512 img/s  trained 1s',
      'epoch   1  step 6/8 ( 75%)  loss 1.0000 (1.2500)  acc  31.25%  512 img/s  wait 1.0%  lr 0.100  grad 1.500  density 10.00%',
      'epoch   1  step 8/8 (100%)  loss 0.5000 (0.6250)  acc  46.88%  512 img/s  wait 1.0%  lr 0.100  grad 1.500  density 10.00%',
      'epoch   1 done  train loss 1.8750 acc 15.63%  test loss 1.7500 acc 50.00% (best 50.00%)  512 img/s  trained 2s',
      'finished at step 8  test acc 50.00% (best 50.00%)  trained 2s  512 img/s  density 10.00%  explored 10.00%  296 GFLOPs, 17.49% of dense training',
    ]);
  });

  it('tells of mask updates and warnings', () => {
    const lines: string[] = [];
    const log = new LineLog((line) => lines.push(line), 10, 0.125);
    for (const event of [
      startEvent(),
      maskEvent(3),
      { type: 'warning', step: 3, message: 'layer fc is empty' } as const,
    ])
      log.on(event);
    expect(lines[2]).toBe('sparsity  static(erk), density 10.00% of the maskable weights, asked for 12.50%');
    expect(lines.slice(-2)).toEqual([
      'epoch   0  masks updated at step 3  dropped 691 grown 690  density 10.00%  explored 12.50%  inference 17.49% of dense  checksum 00000000000000bb',
      'warning: step 3: layer fc is empty',
    ]);
  });

  it('tells how layers are computed', () => {
    const lines: string[] = [];
    const log = new LineLog((line) => lines.push(line), 10);
    const choice = { label: 'conv1', op: 'conv2d', density: 1, candidates: [], refused: [] };
    const kernels = ['dense', 'sparse, 1x7 pixels', 'dense, Winograd'];
    log.on(startEvent());
    log.on({ type: 'kernels', step: 1, choices: kernels.map((kernel) => ({ ...choice, kernel })) });
    expect(lines.at(-1)).toBe(
      'kernels: 1 sparse and 2 dense passes over layers; `s2sam doctor --layers` lists and times them',
    );
  });

  it.each([
    [0, '0 FLOPs'],
    [999, '999 FLOPs'],
    [8.19e9, '8.19 GFLOPs'],
    [3.2e18, '3.2 EFLOPs'],
    [1.5e22, '15000 EFLOPs'],
  ])('%d FLOPs are %s', (count, text) => {
    expect(flops(count)).toBe(text);
  });

  it('marks made-up data on every line of numbers', () => {
    const lines = logged(wholeRun(syntheticStart()), 4);
    const numbers = lines.filter((line) => /acc|images/.test(line));
    expect(numbers.length).toBeGreaterThanOrEqual(6);
    for (const line of numbers) expect(line).toMatch(/\[synthetic data\]$/);
  });

  it('says where a resumed run goes on and what was not tested', () => {
    const untested = { testAccuracy: undefined, bestTestAccuracy: undefined };
    const lines = logged(
      [startEvent({ startStep: 4 }), epochEvent(1, { ...untested, testLoss: undefined }), endEvent(untested)],
      10,
    );
    expect(lines).toContain('length    8 steps of 4 per epoch, resumed at step 4');
    expect(lines.filter((line) => line.includes('not tested'))).toHaveLength(2);
  });

  it.each([
    [5, '5s'],
    [75.4, '1m15s'],
    [3661, '1h01m01s'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(clock(seconds)).toBe(text);
  });
});

describe('progress bar', () => {
  it('draws on a terminal and keeps the lines of epochs', () => {
    let drawn = '';
    const screen = new Writable({
      write(chunk, _encoding, done) {
        drawn += String(chunk);
        done();
      },
    });
    Object.assign(screen, {
      isTTY: true,
      columns: 200,
      cursorTo: () => true,
      moveCursor: () => true,
      clearLine: () => true,
    });
    const lines: string[] = [];
    const bar = new ProgressBar((line) => lines.push(line), 2, screen);
    for (const event of wholeRun(syntheticStart())) bar.on(event);
    bar.close();
    expect(drawn).toMatch(/#+-+ .*step 4\/8 {2}loss 1\.\d{3}.*img\/s {2}\[synthetic data\]/s);
    expect(lines.filter((line) => line.includes(' done '))).toHaveLength(2);
    expect(lines.at(-1)).toMatch(/^finished at step 8/);
  });
});

describe('metrics.jsonl', () => {
  const read = (): Record<string, unknown>[] =>
    readFileSync(join(dir, 'metrics.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  it('holds one event per line, readable before it is closed, and appends', () => {
    const events = wholeRun();
    const first = new JsonLines(join(dir, 'metrics.jsonl'));
    for (const event of events) first.on(event);
    expect(read().map(({ time: _, ...event }) => event)).toEqual(JSON.parse(JSON.stringify(events)));
    first.close();
    const second = new JsonLines(join(dir, 'metrics.jsonl'));
    second.on(startEvent({ startStep: 8 }));
    second.close();
    expect(read()).toHaveLength(events.length + 1);
    expect(read().every(({ time }) => Math.abs(Number(time) - Date.now() / 1000) < 60)).toBe(true);
  });

  it('marks every line of made-up data, and writes NaN as null', () => {
    const log = new JsonLines(join(dir, 'metrics.jsonl'));
    for (const event of [syntheticStart(), stepEvent(1, { loss: Number.NaN })]) log.on(event);
    log.close();
    expect(read()).toMatchObject([{ synthetic: true }, { synthetic: true, loss: null }]);
  });

  it('cannot be opened where there is no folder', () => {
    expect(() => new JsonLines(join(dir, 'missing', 'metrics.jsonl'))).toThrow(IoError);
  });
});

describe('consume', () => {
  it('goes on when a log fails, and warns once', async () => {
    const seen: string[] = [];
    const warnings: string[] = [];
    const broken: Consumer = {
      on: () => {
        throw new IoError('no space is left');
      },
      close: () => Promise.reject(new Error('still full')),
    };
    const healthy: Consumer = { on: (event) => void seen.push(event.type), close: () => void seen.push('closed') };
    await consume(stream(wholeRun()), [tolerant('the log', broken, (line) => warnings.push(line)), healthy]);
    expect(warnings).toEqual(['the log failed, training goes on: no space is left']);
    expect(seen).toEqual([...wholeRun().map(({ type }) => type), 'closed']);
  });

  it('goes on logging on a disk that is full for a while', async () => {
    let full = true;
    let written = 0;
    const log: Consumer = {
      on: () => {
        if (full) throw new Error('full');
        written += 1;
      },
      close: () => {},
    };
    const consumer = tolerant('log', log, () => {});
    await consumer.on(stepEvent(1));
    full = false;
    await consumer.on(stepEvent(2));
    expect(written).toBe(1);
  });

  it('closes everything when the training throws', async () => {
    const closed: string[] = [];
    async function* failing(): AsyncGenerator<TrainEvent> {
      yield startEvent();
      throw new Error('the loss is NaN');
    }
    const consumer: Consumer = { on: () => {}, close: () => void closed.push('closed') };
    await expect(consume(failing(), [consumer, consumer])).rejects.toThrow('the loss is NaN');
    expect(closed).toEqual(['closed', 'closed']);
  });
});

describe('checkpointer', () => {
  const watch = (everyEpochs: number, save: (path: string) => void = () => {}) => {
    const warnings: string[] = [];
    const saved: string[] = [];
    const run = {
      save: async (path: string) => {
        save(path);
        saved.push(path.slice(dir.length + 1));
      },
    };
    const warn = (line: string): void => void warnings.push(line);
    return {
      saved,
      warnings,
      checkpointer: new Checkpointer(run, new RunFolder(dir), { everyEpochs, everySteps: 0, extra: {}, warn }),
    };
  };

  it('keeps the best, and the last every so many epochs and at the end', async () => {
    const { saved, checkpointer } = watch(2);
    await checkpointer.on(epochEvent(0));
    await checkpointer.on(epochEvent(1, { testAccuracy: 0.1, bestTestAccuracy: 0.25 }));
    await checkpointer.on(epochEvent(2, { testAccuracy: undefined, bestTestAccuracy: 0.25 }));
    await checkpointer.on(endEvent({ step: 12 }));
    expect(saved).toEqual(['best.safetensors', 'last.safetensors', 'last.safetensors']);
  });

  it('does not write the same last checkpoint twice', async () => {
    const { saved, checkpointer } = watch(1);
    await checkpointer.on(epochEvent(1, { testAccuracy: undefined }));
    await checkpointer.on(endEvent({ step: 8 }));
    expect(saved).toEqual(['last.safetensors']);
  });

  it('reports a failed write and forgets it once a later one works', async () => {
    let full = true;
    const { warnings, checkpointer } = watch(1, () => {
      if (full) throw new IoError('no space is left');
    });
    await checkpointer.on(epochEvent(0, { testAccuracy: undefined }));
    expect(checkpointer.failure?.message).toBe('no space is left');
    expect(warnings).toEqual(['checkpoint not written, training goes on: no space is left']);
    full = false;
    await checkpointer.on(endEvent());
    expect(checkpointer.failure).toBeUndefined();
  });
});

describe('summary', () => {
  it('is what start and end say', () => {
    const keeper = new SummaryKeeper(0.125);
    for (const event of wholeRun(syntheticStart())) keeper.on(event);
    expect(keeper.summary({ preferred: 'best', last: 'last', report: 'report' })).toMatchObject({
      testAccuracy: 0.5,
      trainSeconds: 2,
      imagesPerSecond: 512,
      density: 0.1,
      nominalDensity: 0.125,
      parameters: 1_860_522,
      explored: 0.1,
      trainFlops: 296_140_800_000,
      trainFlopsRatio: expect.closeTo(96.4e6 / 551_225_856, 3),
      inferenceFlops: expect.closeTo(96.4e6 / 551_225_856, 12),
      device: 'Test CPU',
      dataset: 'procedural',
      synthetic: true,
      checkpoint: 'best',
      report: 'report',
    });
  });

  it('of an interrupted run names the checkpoint to go on from', () => {
    const keeper = new SummaryKeeper(0.125);
    keeper.on(startEvent());
    keeper.on(endEvent({ reason: 'aborted' }));
    expect(keeper.summary({ preferred: 'best', last: 'last', report: '' })?.checkpoint).toBe('last');
  });

  it('has null where nothing was tested', () => {
    const keeper = new SummaryKeeper(0.125);
    keeper.on(startEvent());
    keeper.on(endEvent({ testAccuracy: undefined, bestTestAccuracy: undefined }));
    expect(keeper.summary({ preferred: '', last: '', report: '' })).toMatchObject({
      testAccuracy: null,
      bestTestAccuracy: null,
    });
  });
});
