import type { Classifier } from '../models/classifier.js';
import type { BatchNorm2d } from '../nn/layers.js';
import type { Parameter } from '../nn/parameter.js';
import type { ChannelGroup, MaskedParameter, NormChannels, SparseLayer } from './strategy.js';

/** What a strategy sees of a model's parameters. */
export interface ModelViews {
  readonly layers: readonly SparseLayer[];
  readonly groups: readonly ChannelGroup[];
  /** Layers and, where there are groups, gamma and beta. */
  readonly masked: readonly MaskedParameter[];
}

/** Gives weights, and for structured strategies batch norms, their masks (all kept). */
export function viewsOf(model: Classifier, structured: boolean): ModelViews {
  const layers = new Map<Parameter, SparseLayer>();
  for (const parameter of model.arena.parameters) {
    if (parameter.kind === 'weight') layers.set(parameter, layerOf(model, parameter));
  }
  const groups = structured ? groupsOf(model, layers) : [];
  const norms = groups.flatMap((group) => group.norms.flatMap(({ gamma, beta }) => [gamma, beta]));
  return { layers: [...layers.values()], groups, masked: [...layers.values(), ...norms] };
}

function groupsOf(model: Classifier, layers: ReadonlyMap<Parameter, SparseLayer>): ChannelGroup[] {
  const layer = ({ weight }: { readonly weight: Parameter }): SparseLayer => layers.get(weight) as SparseLayer;
  return model.channelGroups().map(({ name, channels, producers, norms, consumers }) => ({
    name,
    channels,
    producers: producers.map(layer),
    norms: norms.map((norm) => normOf(model, norm)),
    consumers: consumers.map(layer),
  }));
}

function normOf(model: Classifier, { weight, bias, running_mean, running_var }: BatchNorm2d): NormChannels {
  return {
    gamma: viewOf(model, weight),
    beta: viewOf(model, bias),
    runningMean: running_mean.tensor,
    runningVar: running_var.tensor,
  };
}

const layerOf = (model: Classifier, parameter: Parameter): SparseLayer =>
  Object.defineProperties(viewOf(model, parameter), {
    role: { value: parameter.role, enumerable: true },
    kind: { value: parameter.shape.length === 4 ? 'conv2d' : 'linear', enumerable: true },
  }) as SparseLayer;

function viewOf(model: Classifier, parameter: Parameter): MaskedParameter {
  const { name, shape, size } = parameter;
  return {
    name,
    shape,
    size,
    mask: model.arena.addMask(parameter),
    get weight() {
      return parameter.storage.value;
    },
    get gradient() {
      return parameter.storage.gradient;
    },
    get momentum() {
      return parameter.storage.momentum;
    },
  };
}
