import type { BatchNorm2d } from '../../nn/layers.js';
import type { Buffer } from '../../nn/module.js';
import type { Parameter } from '../../nn/parameter.js';
import type { Tensor } from '../../tensor/tensor.js';
import { GraphBuilder } from './builder.js';
import { foldableNorms, foldedBias, foldedWeights, normBiases } from './fold.js';
import type { Attributes, Initializer, OnnxNode } from './graph.js';
import type { Trace, TracedOp } from './trace.js';

/** Per channel, for images with values from 0 to 1: (x - mean) / std. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

export interface LowerOptions {
  readonly input: string;
  readonly output: string;
  readonly foldBatchNorm: boolean;
  readonly normalization: Normalization | undefined;
  readonly buffers: ReadonlyMap<Buffer, string>;
}

export interface Lowered {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly Initializer[];
}

const elementwise = {
  add: 'Add',
  sub: 'Sub',
  mul: 'Mul',
  div: 'Div',
  relu: 'Relu',
  exp: 'Exp',
  log: 'Log',
  sqrt: 'Sqrt',
} as const;

/** ONNX operators that compute what was traced. */
export function lower(trace: Trace, options: LowerOptions): Lowered {
  const { normalization, input, output, buffers } = options;
  const graph = new GraphBuilder(buffers, [input, output]);
  const folded = options.foldBatchNorm ? foldableNorms(trace) : new Map<Tensor, BatchNorm2d>();
  const biases = normBiases(trace);
  graph.bind(trace.images, normalization === undefined ? input : normalize(graph, input, normalization));
  for (const traced of trace.ops) {
    const value = lowerOp(graph, traced, { folded, biases });
    const rectified = traced.op.relu === true ? graph.add('Relu', `${value}.relu`, [value]) : value;
    graph.bind(traced.output, rectified);
  }
  return { nodes: graph.nodesTo(graph.value(trace.logits), output), initializers: graph.initializers };
}

function normalize(graph: GraphBuilder, images: string, { mean, std }: Normalization): string {
  const constant = (name: string, values: readonly number[]): string =>
    graph.constant(`normalization.${name}`, [1, values.length, 1, 1], async () => Float32Array.from(values));
  const centred = graph.add('Sub', 'normalization.centred', [images, constant('mean', mean)]);
  return graph.add('Div', 'normalization', [centred, constant('std', std)]);
}

/** Adds the nodes of an op, but not the ReLU it ends with. Returns the name of the value. */
function lowerOp(
  graph: GraphBuilder,
  { op, inputs, output }: TracedOp,
  { folded, biases }: { folded: ReadonlyMap<Tensor, BatchNorm2d>; biases: ReadonlyMap<Tensor, Parameter> },
): string {
  const x = graph.value(inputs[0] as Tensor);
  switch (op.kind) {
    case 'conv2d': {
      const [, weight, own] = inputs as readonly [Tensor, Parameter, Parameter?];
      const bias = own ?? biases.get(output);
      const attributes = window({ ...op, kernel: weight.shape.slice(2) });
      return graph.add('Conv', layerOf(weight), [x, ...convolved(graph, weight, bias, folded.get(output))], attributes);
    }
    case 'batchNorm': {
      const [from, , , last] = inputs as readonly [Tensor, Parameter, Parameter, (Tensor | Parameter)?];
      const residual = last === op.inputBias ? undefined : (last as Tensor);
      const name = layerOf(op.norm.weight);
      const value = folded.has(from) ? x : batchNormalization(graph, name, x, op.norm);
      return residual === undefined ? value : graph.add('Add', `${name}.sum`, [value, graph.value(residual)]);
    }
    case 'linear': {
      const parameters = inputs.slice(1) as readonly Parameter[];
      const name = layerOf(parameters[0] as Parameter);
      return graph.add('Gemm', name, [x, ...parameters.map((one) => graph.parameter(one))], { transB: { int: 1 } });
    }
    case 'maxPool':
      return graph.add('MaxPool', 'maxPool', [x], window(op));
    case 'avgPool':
      return graph.add('AveragePool', 'avgPool', [x], { ...window(op), count_include_pad: { int: 1 } });
    case 'globalAvgPool':
      return graph.add('Flatten', 'flatten', [graph.add('GlobalAveragePool', 'globalAvgPool', [x])], {
        axis: { int: 1 },
      });
    case 'flatten':
      return graph.add('Flatten', 'flatten', [x], { axis: { int: 1 } });
    case 'cast': // Everything is f32 in the file.
      return x;
    default:
      return graph.add(
        elementwise[op.kind],
        op.kind,
        (inputs as readonly Tensor[]).map((input) => graph.value(input)),
      );
  }
}

/** `layer1.0.conv1` of its weight. */
const layerOf = ({ name }: Parameter): string => name.replace(/\.weight$/, '');

interface Window {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
}

const window = ({ kernel, stride, padding }: Window): Attributes => ({
  kernel_shape: { ints: kernel },
  strides: { ints: stride },
  pads: { ints: [...padding, ...padding] },
});

/** Weight and bias of a convolution that takes over `norm`, if there is one. */
function convolved(graph: GraphBuilder, weight: Parameter, bias?: Parameter, norm?: BatchNorm2d): string[] {
  if (norm === undefined) return [weight, bias].flatMap((one) => (one === undefined ? [] : [graph.parameter(one)]));
  const [outputs = 0] = weight.shape;
  return [
    graph.constant(weight.name, weight.shape, () => foldedWeights(weight, norm)),
    graph.constant(`${layerOf(weight)}.bias`, [outputs], () => foldedBias(bias, norm)),
  ];
}

function batchNormalization(graph: GraphBuilder, name: string, x: string, norm: BatchNorm2d): string {
  const parameters = [norm.weight, norm.bias].map((parameter) => graph.parameter(parameter));
  const statistics = [norm.running_mean, norm.running_var].map((buffer) => graph.buffer(buffer));
  return graph.add('BatchNormalization', name, [x, ...parameters, ...statistics], { epsilon: { float: norm.eps } });
}
