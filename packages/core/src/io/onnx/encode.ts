import type { Attribute, Initializer, OnnxGraph, OnnxNode, OnnxValue } from './graph.js';
import { type Field, float, integer, message, text } from './protobuf.js';

/** `BatchNormalization` and all others we use have their present meaning since opset 15; IR 8 goes with opset 17 (ONNX 1.12). */
const OPSET = 17;
const IR_VERSION = 8;
/** `TensorProto.DataType`. */
const FLOAT = 1;

/** Numbers of the fields, from `onnx.proto`. */
const fields = {
  model: { irVersion: 1, producer: 2, doc: 6, graph: 7, opset: 8, metadata: 14 },
  opset: { version: 2 },
  entry: { key: 1, value: 2 },
  graph: { node: 1, name: 2, initializer: 5, doc: 10, input: 11, output: 12 },
  node: { input: 1, output: 2, name: 3, type: 4, attribute: 5 },
  attribute: { name: 1, float: 2, int: 3, ints: 8, type: 20 },
  tensor: { dims: 1, dataType: 2, name: 8, rawData: 9 },
  value: { name: 1, type: 2 },
  type: { tensor: 1 },
  tensorType: { element: 1, shape: 2 },
  shape: { dim: 1 },
  dim: { value: 1, parameter: 2 },
} as const;

/** `AttributeProto.AttributeType`. */
const attributeTypes = { float: 1, int: 2, ints: 7 } as const;

/** The bytes of an ONNX file. */
export function encodeModel(graph: OnnxGraph): Field {
  const f = fields.model;
  const metadata = Object.entries(graph.metadata).map(([key, value]) =>
    message(f.metadata, text(fields.entry.key, key), text(fields.entry.value, value)),
  );
  return [
    integer(f.irVersion, IR_VERSION),
    text(f.producer, 's2sam'),
    text(f.doc, graph.doc),
    message(f.graph, ...encodeGraph(graph)),
    message(f.opset, integer(fields.opset.version, OPSET)),
    ...metadata,
  ].flat();
}

function encodeGraph({ name, doc, input, output, nodes, initializers }: OnnxGraph): Field[] {
  const f = fields.graph;
  return [
    ...nodes.map((node) => message(f.node, ...encodeNode(node))),
    text(f.name, name),
    ...initializers.map((initializer) => message(f.initializer, ...encodeInitializer(initializer))),
    text(f.doc, doc),
    message(f.input, ...encodeValue(input)),
    message(f.output, ...encodeValue(output)),
  ];
}

function encodeNode({ name, type, inputs, attributes }: OnnxNode): Field[] {
  const f = fields.node;
  return [
    ...inputs.map((input) => text(f.input, input)),
    text(f.output, name),
    text(f.name, name),
    text(f.type, type),
    ...Object.entries(attributes).map(([key, value]) => message(f.attribute, ...encodeAttribute(key, value))),
  ];
}

function encodeAttribute(name: string, value: Attribute): Field[] {
  const f = fields.attribute;
  const type = (kind: keyof typeof attributeTypes): Field => integer(f.type, attributeTypes[kind]);
  if ('float' in value) return [text(f.name, name), float(f.float, value.float), type('float')];
  if ('int' in value) return [text(f.name, name), integer(f.int, value.int), type('int')];
  return [text(f.name, name), ...value.ints.map((int) => integer(f.ints, int)), type('ints')];
}

function encodeInitializer({ name, shape, load }: Initializer): Field[] {
  const f = fields.tensor;
  const byteLength = shape.reduce((product, extent) => product * extent, Float32Array.BYTES_PER_ELEMENT);
  const bytes = async (): Promise<Uint8Array> => {
    const { buffer, byteOffset, byteLength } = await load();
    return new Uint8Array(buffer, byteOffset, byteLength);
  };
  return [
    ...shape.map((extent) => integer(f.dims, extent)),
    integer(f.dataType, FLOAT),
    text(f.name, name),
    message(f.rawData, [{ byteLength, load: bytes }]),
  ];
}

function encodeValue({ name, shape }: OnnxValue): Field[] {
  const { dim, tensorType } = fields;
  const dims = shape.map((extent) =>
    message(fields.shape.dim, typeof extent === 'number' ? integer(dim.value, extent) : text(dim.parameter, extent)),
  );
  const tensor = [integer(tensorType.element, FLOAT), message(tensorType.shape, ...dims)];
  return [text(fields.value.name, name), message(fields.value.type, message(fields.type.tensor, ...tensor))];
}
