import { createModel, OptimizerState, scope, streamKey } from '@s2sam/core';
import { Stat } from '@s2sam/native';
import { nameOf, optimizerOf, sparsify } from './ours.mjs';
import { wordsOf } from './peer.mjs';

/** In training the phase is a small part of one recording; in a row of them, too, starting the recording weighs little. */
const STEPS_RECORDED = 10;

/** What our step moves per parameter as native/src/cuda/optimizer counts it: norm and step, working copy, 16-bit copy. */
const ourBytes = (optimizer, dtype) => 24.25 + (optimizer === 's2sam' ? 4 : 0) + (dtype === 'f32' ? 0 : 2);

/** What PyTorch's calls read and write per parameter, 4 bytes for each operand. */
const PEER_BYTES = {
  // Fused: gradient, weight, momentum read, the last two written.
  sgd: 20,
  // SGD; norm 4, saving 8, product 8, sum 12, restoring 8.
  foreach: 60,
  // Decay 12, momentum 8 + 12, weights 12; norm 4, product 8, sum 12, copy of the perturbation 8, of the gradient 8, difference 12.
  'per-tensor': 96,
};
/** Gradient and weight, each multiplied by a mask of f32. */
const MASKING_BYTES = 24;

/** What our training step does after the backward pass, over a model's parameters and a gradient of noise. */
export class OurPhase {
  side = 'ours';
  #graph;

  /** Throws where the device has not what is asked for, having freed everything. */
  constructor(device, { model, classes, sparsity, layout, optimizer, dtype }) {
    this.name = nameOf(`s2sam ${optimizer}`, { sparsity, layout, dtype });
    this.form = optimizer;
    this.sparsity = sparsity;
    this.bytesPerParameter = ourBytes(optimizer, dtype);
    try {
      this.model = createModel(model, { device, classes, dtype });
      if (sparsity > 0) sparsify(this.model, sparsity, layout);
      this.state = new OptimizerState(this.model, optimizerOf(optimizer));
      this.state.prepare({ step: 0, totalSteps: 1, stepsPerEpoch: 1 });
      this.drawGradient(0);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Shapes and densities of the parameters, for PyTorch to make the same. */
  get parameters() {
    return this.model.arena.parameters.map(({ shape, mask }) => ({ shape, density: mask?.density ?? 1 }));
  }

  /** Noise, another for each `step`; not in the gaps between parameters, which norms would count. */
  drawGradient(step) {
    for (const { name, gradient } of this.model.arena.parameters) {
      const [key0, key1] = streamKey(step, `gradient/${name}`);
      gradient.device.native.randomNormal(gradient.handle, key0, key1, 0, 1);
    }
  }

  /** Seconds per step over at least `steps` steps. */
  async run(steps) {
    const { device } = this.model;
    this.#graph ??= device.capture(() => {
      for (let i = 0; i < STEPS_RECORDED; i++) scope(() => this.state.step());
    });
    const replays = Math.ceil(steps / STEPS_RECORDED);
    await device.synchronize();
    const begin = performance.now();
    for (let i = 0; i < replays; i++) this.#graph.replay();
    await device.synchronize();
    const seconds = (performance.now() - begin) / 1000;
    await this.#checkSteps();
    return seconds / (replays * STEPS_RECORDED);
  }

  /** A step that is left out costs less. */
  async #checkSteps() {
    const stats = await this.state.stats.toArray();
    const skipped = stats[Stat.skippedSteps] + stats[Stat.skippedPerturbations];
    if (skipped > 0) throw new Error(`${this.name}: ${skipped} steps were left out; the figures mean nothing`);
  }

  close() {
    this.#graph?.[Symbol.dispose]();
    this.state?.[Symbol.dispose]();
    this.model?.[Symbol.dispose]();
  }
}

/** PyTorch's forms over the same parameters, for `startPeers`. Its weights are f32 whatever the passes compute in. */
export function peersFor(device, { parameters, sparsity, layout }) {
  const { kind, threads } = device;
  const size = ({ shape }) => shape.reduce((product, extent) => product * extent, 1);
  const sum = (some) => some.reduce((total, one) => total + size(one), 0);
  const masking = (MASKING_BYTES * sum(parameters.filter(({ density }) => density < 1))) / sum(parameters);
  const peer = (form, ...flags) => {
    const graphed = flags.length > 0 ? ' graphed' : '';
    return {
      side: 'pytorch',
      name: nameOf(`pytorch ${form}${graphed}`, { sparsity, layout }),
      form: `${form}${graphed}`,
      sparsity,
      bytesPerParameter: PEER_BYTES[form] + masking,
      program: 'pytorch_optimizer.py',
      args: [...wordsOf({ parameters: JSON.stringify(parameters), form, device: kind, threads }), ...flags],
    };
  };
  const graphed = kind === 'cuda' ? [peer('per-tensor', '--graphed')] : [];
  return [peer('per-tensor'), ...graphed, peer('foreach'), peer('sgd')];
}
