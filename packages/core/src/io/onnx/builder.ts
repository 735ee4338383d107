import { InternalError } from '../../errors.js';
import type { Buffer } from '../../nn/module.js';
import type { Parameter } from '../../nn/parameter.js';
import type { Tensor } from '../../tensor/tensor.js';
import { bufferValues, maskedValues } from '../values.js';
import type { Attributes, Initializer, OnnxNode } from './graph.js';

/** Nodes and initializers so far, and the names of the values between ops. */
export class GraphBuilder {
  readonly #nodes: OnnxNode[] = [];
  readonly #initializers = new Map<string, Initializer>();
  readonly #values = new Map<Tensor, string>();
  readonly #taken: Set<string>;

  /** @param reserved names that no node may have, since they are the network's input and output */
  constructor(
    private readonly buffers: ReadonlyMap<Buffer, string>,
    reserved: readonly string[],
  ) {
    this.#taken = new Set(reserved);
  }

  get initializers(): readonly Initializer[] {
    return [...this.#initializers.values()];
  }

  /** The nodes, the value `last` being called `name`. */
  nodesTo(last: string, name: string): readonly OnnxNode[] {
    const renamed = (value: string): string => (value === last ? name : value);
    return this.#nodes.map((node) => ({ ...node, name: renamed(node.name), inputs: node.inputs.map(renamed) }));
  }

  bind(tensor: Tensor, name: string): void {
    this.#values.set(tensor, name);
  }

  /** The name of a value that an earlier op made. */
  value(tensor: Tensor): string {
    const name = this.#values.get(tensor);
    if (name === undefined) {
      throw new InternalError(
        `exportOnnx: a value ${JSON.stringify(tensor.shape)} comes from no op that the tape noted; use ops of autograd only`,
        { op: 'exportOnnx' },
      );
    }
    return name;
  }

  /** Adds a node. Returns the name of its value: `name`, with a number where it is taken. */
  add(type: string, name: string, inputs: readonly string[], attributes: Attributes = {}): string {
    let unique = name;
    for (let n = 1; this.#taken.has(unique); n++) unique = `${name}.${n}`;
    this.#taken.add(unique);
    this.#nodes.push({ name: unique, type, inputs, attributes });
    return unique;
  }

  /** Adds a constant unless there is one of that name. Returns the name. */
  constant(name: string, shape: readonly number[], load: () => Promise<Float32Array>): string {
    if (!this.#initializers.has(name)) this.#initializers.set(name, { name, shape, load });
    return name;
  }

  parameter(parameter: Parameter): string {
    return this.constant(parameter.name, parameter.shape, () => maskedValues(parameter));
  }

  buffer(buffer: Buffer): string {
    return this.constant(this.buffers.get(buffer) as string, buffer.shape, () => bufferValues(buffer));
  }
}
