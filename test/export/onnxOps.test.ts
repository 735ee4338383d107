import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  add,
  avgPool2d,
  BatchNorm2d,
  Classifier,
  Conv2d,
  type Device,
  div,
  exp,
  exportOnnx,
  flatten,
  globalAvgPool,
  initialize,
  Linear,
  log,
  maxPool2d,
  mul,
  openDevice,
  relu,
  scaleShift,
  sqrt,
  sub,
  type Tensor,
} from '@s2sam/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { logitsOf, relativeDifference, scenes, settle, thinOut } from '../support/network.js';
import { readOnnx } from '../support/onnxFile.js';
import { hasOnnxRuntime, runOnnx } from '../support/onnxRuntime.js';

const SIDE = 12;

let device: Device;
let folder: string;
beforeAll(async () => {
  device = await openDevice('cpu', { threads: 1 });
  folder = mkdtempSync(join(tmpdir(), 's2sam-onnx-ops-'));
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await device[Symbol.asyncDispose]();
});

/** Two channels of images, a stem convolution and norm, then whatever `body` does, and a linear layer. */
abstract class Probe extends Classifier {
  readonly stem = new Conv2d(2, 8, { kernel: 3, padding: 1 });
  readonly norm = new BatchNorm2d(8, { eps: 1e-3 });

  constructor(inputs: number) {
    super('probe', 5, 2);
    this.fc = new Linear(inputs, 5, { std: 0.3 });
  }

  readonly fc: Linear;
  abstract body(x: Tensor): Tensor;

  forward(x: Tensor): Tensor {
    return this.fc.forward(this.body(this.stem.forward(x)));
  }
}

/** A block that normalises first: what comes in is also added at the end, so its convolution cannot take the norm over. */
class NormFirst extends Probe {
  readonly conv = new Conv2d(8, 8, { kernel: 3, padding: 1 });
  readonly after = new BatchNorm2d(8);

  constructor() {
    super(8);
  }

  body(x: Tensor): Tensor {
    const inner = this.after.forward(this.conv.forward(this.norm.apply(x, { relu: true })));
    return globalAvgPool(relu(add(x, inner)));
  }
}

/** One convolution with two norms, each of which must have the weights as they are. */
class Shared extends Probe {
  readonly conv = new Conv2d(8, 8, { kernel: [1, 3], padding: [0, 1] });
  readonly first = new BatchNorm2d(8);
  readonly second = new BatchNorm2d(8);

  constructor() {
    super(8);
  }

  body(x: Tensor): Tensor {
    const y = this.first.apply(this.conv.forward(this.norm.forward(x)), { relu: true });
    return globalAvgPool(this.second.apply(this.conv.forward(y), { residual: y }));
  }
}

/** Layers called like the network's input and output, and one like the second use of another. */
class Names extends Probe {
  readonly images = new Conv2d(8, 8, { kernel: 3, padding: 1 });
  readonly logits = [new Conv2d(8, 8, { kernel: 1 }), new Conv2d(8, 8, { kernel: 1 })];

  constructor() {
    super(8);
  }

  body(x: Tensor): Tensor {
    const y = relu(this.images.forward(relu(this.images.forward(this.norm.forward(x)))));
    const [first, second] = this.logits as [Conv2d, Conv2d];
    return globalAvgPool(add(second.forward(first.forward(first.forward(y))), y));
  }
}

/** Windows that overlap the edge, with different strides. */
class Windows extends Probe {
  readonly strided = new Conv2d(8, 6, { kernel: [3, 2], stride: [2, 1], padding: [1, 0] });

  constructor() {
    super(6 * 2 * 5);
  }

  body(x: Tensor): Tensor {
    const pooled = maxPool2d(this.norm.forward(x), { kernel: [3, 2], stride: [1, 1], padding: [1, 1] });
    const strided = this.strided.forward(pooled);
    return flatten(avgPool2d(strided, { kernel: [3, 4], stride: [2, 2], padding: [0, 0] }));
  }
}

/** Mean windows that see padding, hidden linear layers with ReLUs. */
class Layers extends Probe {
  readonly hidden = new Linear(8 * 6 * 6, 24, { std: 0.1 });

  constructor() {
    super(24);
  }

  body(x: Tensor): Tensor {
    const pooled = avgPool2d(relu(this.norm.forward(x)), { kernel: [3, 3], stride: [2, 2], padding: [1, 1] });
    return relu(this.hidden.forward(flatten(pooled)));
  }
}

/** Every elementwise op. */
class Elementwise extends Probe {
  constructor() {
    super(8);
  }

  body(x: Tensor): Tensor {
    const y = relu(this.norm.forward(x));
    const falling = exp(sub(y, add(y, y)));
    return globalAvgPool(div(mul(sqrt(falling), y), log(exp(add(y, falling)))));
  }
}

/** Makes of a value what the format has no operator for here. */
class Scaled extends Elementwise {
  override body(x: Tensor): Tensor {
    return globalAvgPool(scaleShift(x, 2, 1));
  }
}

const kinds = { NormFirst, Shared, Names, Windows, Layers, Elementwise } as const;

describe.skipIf(!hasOnnxRuntime)('exportOnnx of own models (needs ONNX Runtime, which npm test installs)', () => {
  it.each([
    { kind: 'NormFirst', norms: 1 },
    { kind: 'Shared', norms: 2 },
    { kind: 'Names', norms: 0 },
    { kind: 'Windows', norms: 0 },
    { kind: 'Layers', norms: 0 },
    { kind: 'Elementwise', norms: 0 },
  ] as const)('$kind: the logits are the same, folded as far as can be', async ({ kind, norms }) => {
    using model = initialize(new kinds[kind](), { device, seed: 2 });
    settle(model);
    await thinOut(model, 0.5);
    const images = scenes(3, 2, SIDE);
    const expected = await logitsOf(model, images, SIDE);
    expect(relativeDifference(expected.slice(0, 5), expected.slice(5, 10))).toBeGreaterThan(0.01);
    const all = [...model.namedBuffers().keys()].length / 2;
    for (const [foldBatchNorm, kept] of [
      [true, norms],
      [false, all],
    ] as const) {
      const path = join(folder, `${kind}.onnx`);
      await exportOnnx(model, path, { foldBatchNorm, imageSize: SIDE });
      const { nodes } = readOnnx(path);
      expect(nodes.filter(({ type }) => type === 'BatchNormalization')).toHaveLength(kept);
      const names = ['images', ...nodes.flatMap(({ outputs }) => outputs)];
      expect(new Set(names).size, 'names of values are unique').toBe(names.length);
      expect(relativeDifference(await runOnnx(path, images, SIDE, 2), expected)).toBeLessThan(1e-5);
    }
  });

  it('refuses an op that has no counterpart, and writes nothing', async () => {
    using model = initialize(new Scaled(), { device });
    const path = join(folder, 'scaled.onnx');
    await expect(exportOnnx(model, path, { imageSize: SIDE })).rejects.toMatchObject({
      name: 'ArgumentError',
      message: expect.stringMatching(/makes \[1,8,12,12\] of \[\[1,8,12,12\]\] cannot be exported; build the model of/),
    });
    expect(existsSync(path)).toBe(false);
  });

  it('refuses images that are too small for the model', async () => {
    using model = initialize(new Windows(), { device });
    await expect(exportOnnx(model, join(folder, 'small.onnx'), { imageSize: 2 })).rejects.toMatchObject({
      name: 'ShapeError',
    });
  });
});
