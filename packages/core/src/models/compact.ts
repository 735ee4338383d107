import type { ChannelFlow } from '../nn/channels.js';
import { initialize } from '../nn/module.js';
import type { Parameter } from '../nn/parameter.js';
import type { Classifier } from './classifier.js';

/** Indices that stay along the first two axes; undefined: all. */
interface Selection {
  rows?: readonly number[];
  columns?: readonly number[];
}

/**
 * A smaller network that computes the same: channels whose batch norm is masked out, or that nobody reads, are left out of their
 * convolutions, batch norms and readers. Weights, running statistics and masks of the rest are taken over; optimizer state is not.
 * The model stays as it is. Throws ArgumentError where it declares no groups of channels. A group keeps at least one channel.
 */
export async function compact(model: Classifier): Promise<Classifier> {
  const groups = model.channelGroups();
  const living = new Map<ChannelFlow, readonly number[]>();
  for (const group of groups) living.set(group, await livingChannels(group));
  const counts = new Map([...living].map(([{ name }, channels]) => [name, channels.length]));
  const { device, dtype } = model;
  const small = initialize(model.narrowed(counts), { device, dtype });
  await copyInto(model, small, selectionsOf(living));
  return small.train(model.training);
}

/** Channels that can be non-zero and that somebody reads. */
async function livingChannels(group: ChannelFlow): Promise<number[]> {
  const silent = await Promise.all(
    group.norms.map(async ({ weight, bias }) => {
      const [gamma, beta] = [await keptOf(weight), await keptOf(bias)];
      return (c: number) => !gamma(c) && !beta(c);
    }),
  );
  const ignored = await Promise.all(group.consumers.map(({ weight }) => ignoredChannels(weight, group.channels)));
  const all = Array.from({ length: group.channels }, (_, c) => c);
  const living = all.filter((c) => !(silent.every((is) => is(c)) || ignored.every((is) => is[c])));
  return living.length > 0 ? living : [0];
}

/** Which channels a layer has no weight for. */
async function ignoredChannels(weight: Parameter, channels: number): Promise<boolean[]> {
  const ignored = new Array<boolean>(channels).fill(weight.mask !== undefined);
  if (weight.mask === undefined) return ignored;
  const kept = await keptOf(weight);
  const [outputs = 1, inputs = 1] = weight.shape;
  const area = weight.size / (outputs * inputs);
  for (let at = 0; at < weight.size; at++) {
    if (kept(at)) ignored[Math.floor((Math.floor(at / area) % inputs) / (inputs / channels))] = false;
  }
  return ignored;
}

/** Whether the mask of a parameter keeps element i. */
async function keptOf({ mask }: Parameter): Promise<(i: number) => boolean> {
  if (mask === undefined) return () => true;
  const words = await mask.read();
  return (i) => (((words[i >>> 5] as number) >>> (i & 31)) & 1) === 1;
}

/** By name of parameter or buffer, from the modules that groups touch. */
function selectionsOf(living: ReadonlyMap<ChannelFlow, readonly number[]>): Map<object, Selection> {
  const selections = new Map<object, Selection>();
  const of = (part: object): Selection => {
    const found = selections.get(part) ?? {};
    selections.set(part, found);
    return found;
  };
  for (const [{ producers, norms, consumers, channels }, kept] of living) {
    for (const { weight, bias } of producers) for (const part of [weight, bias]) if (part) of(part).rows = kept;
    for (const norm of norms) {
      for (const part of [norm.weight, norm.bias, norm.running_mean, norm.running_var]) of(part).rows = kept;
    }
    for (const { weight } of consumers) {
      const each = (weight.shape[1] as number) / channels;
      of(weight).columns = kept.flatMap((c) => Array.from({ length: each }, (_, k) => c * each + k));
    }
  }
  return selections;
}

async function copyInto(
  model: Classifier,
  small: Classifier,
  selections: ReadonlyMap<object, Selection>,
): Promise<void> {
  const parameters = small.namedParameters();
  for (const [name, parameter] of model.namedParameters()) {
    const to = parameters.get(name) as Parameter;
    const at = positions(parameter.shape, selections.get(parameter) ?? {});
    to.value.write(await gathered(parameter.value.toArray(), at));
    if (parameter.mask === undefined) continue;
    const kept = await keptOf(parameter);
    const words = new Uint32Array(Math.ceil(at.length / 32));
    for (const [i, from] of at.entries()) if (kept(from)) words[i >>> 5] = (words[i >>> 5] as number) | (1 << (i & 31));
    small.arena.addMask(to).write(words);
  }
  const buffers = small.namedBuffers();
  for (const [name, buffer] of model.namedBuffers()) {
    const at = positions(buffer.shape, selections.get(buffer) ?? {});
    buffers.get(name)?.tensor.write(await gathered(buffer.tensor.toArray(), at));
  }
  small.arena.resetWorking();
}

/** Row-major positions of the selected elements. */
function positions(shape: readonly number[], { rows, columns }: Selection): Uint32Array {
  const [outer = 1, inner = 1, ...rest] = shape;
  const area = rest.reduce((product, extent) => product * extent, 1);
  const [r, c] = [rows ?? [...Array(outer).keys()], columns ?? [...Array(inner).keys()]];
  const at = new Uint32Array(r.length * c.length * area);
  let next = 0;
  for (const i of r) {
    for (const j of c) {
      const begin = (i * inner + j) * area;
      for (let k = 0; k < area; k++) at[next++] = begin + k;
    }
  }
  return at;
}

async function gathered(values: Promise<ArrayLike<number>>, at: Uint32Array): Promise<Float32Array> {
  const all = await values;
  return Float32Array.from(at, (i) => all[i] as number);
}
