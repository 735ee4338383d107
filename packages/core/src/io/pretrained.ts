import { CheckpointError } from '../errors.js';
import type { Classifier } from '../models/classifier.js';
import type { Tensor } from '../tensor/tensor.js';
import { readSafetensors, type StoredTensor } from './safetensors.js';

export interface PretrainedOptions {
  /** `skip` leaves the last layer as it is, whatever the file has there: for fine-tuning on other classes. Default `load`. */
  readonly classifier?: 'load' | 'skip';
}

/** What was read. */
export interface Pretrained {
  /** What stood before every name in the file, e.g. `module.`; often nothing. */
  readonly prefix: string;
  /** Parameters and running statistics that were loaded. */
  readonly loaded: number;
  /** Parameters that kept their values, by name. */
  readonly skipped: readonly string[];
}

/** What wrappers and training programs put before the names of a network. */
const WRAPPERS = ['module.', 'model.', 'state_dict.', '_orig_mod.'];
/** PyTorch's counters of batches, and what our checkpoints hold beside the network. */
const IGNORED = /(^|\.)num_batches_tracked$|^s2sam\./;

/**
 * Loads weights that another program trained: a safetensors file with the names of torchvision or timm (for the networks whose names are
 * torchvision's; of WideResNets for CIFAR, those of the usual port), in f32, f16 or bf16, where all names may begin with `module.`,
 * `model.`, `state_dict.` or `_orig_mod.`. Masks of the model are applied to what is loaded; optimizer state is not touched.
 *
 * Throws CheckpointError that lists missing and unexpected names and other shapes; the model is then unchanged.
 */
export async function loadPretrained(
  model: Classifier,
  path: string,
  options: PretrainedOptions = {},
): Promise<Pretrained> {
  const { prefix, tensors } = unwrapped((await readSafetensors(path)).tensors);
  const skip = options.classifier === 'skip' ? lastLayer(model) : undefined;
  const isSkipped = (name: string): boolean => skip !== undefined && name.startsWith(skip);
  const wanted = new Map([...model.namedState()].filter(([name]) => !isSkipped(name)));
  const found = new Map([...tensors].filter(([name]) => !isSkipped(name)));
  const problems = compare(found, wanted, lastLayer(model));
  if (problems.length > 0) {
    throw new CheckpointError(
      `loadPretrained: ${path} does not fit ${model.name} with ${model.classes} classes: ${problems.join('; ')}`,
      { op: 'loadPretrained' },
    );
  }
  for (const [name, tensor] of wanted) tensor.write((found.get(name) as StoredTensor).data as Float32Array);
  for (const { mask, value } of model.namedParameters().values()) mask?.apply(value);
  model.arena.resetWorking();
  return { prefix, loaded: wanted.size, skipped: [...model.namedParameters().keys()].filter(isSkipped) };
}

/** The tensors of a network, without what wrappers put before all of their names. */
function unwrapped(all: ReadonlyMap<string, StoredTensor>): { prefix: string; tensors: Map<string, StoredTensor> } {
  let tensors = new Map(all);
  let prefix = '';
  for (;;) {
    const names = [...tensors.keys()];
    const wrapper = WRAPPERS.find((word) => names.length > 0 && names.every((name) => name.startsWith(word)));
    if (wrapper === undefined) break;
    tensors = new Map([...tensors].map(([name, tensor]) => [name.slice(wrapper.length), tensor]));
    prefix += wrapper;
  }
  return { prefix, tensors: new Map([...tensors].filter(([name]) => !IGNORED.test(name))) };
}

/** What the names of the last layer begin with: `fc.`. */
function lastLayer(model: Classifier): string {
  const weight = [...model.namedParameters()].find(([, { role }]) => role === 'classifier')?.[0] ?? '';
  return weight.replace(/weight$/, '');
}

const list = (title: string, items: readonly string[]): string[] =>
  items.length === 0
    ? []
    : [`${title} ${items.slice(0, 5).join(', ')}${items.length > 5 ? ` and ${items.length - 5} more` : ''}`];

function compare(
  found: ReadonlyMap<string, StoredTensor>,
  wanted: ReadonlyMap<string, Tensor>,
  classifier: string,
): string[] {
  const missing = [...wanted.keys()].filter((name) => !found.has(name));
  const unexpected = [...found.keys()].filter((name) => !wanted.has(name));
  const other: string[] = [];
  for (const [name, { shape }] of wanted) {
    const tensor = found.get(name);
    if (tensor === undefined || (tensor.dtype === 'F32' && String(tensor.shape) === String(shape))) continue;
    other.push(`${name} is ${tensor.dtype} ${JSON.stringify(tensor.shape)} instead of F32 ${JSON.stringify(shape)}`);
  }
  const named = [...list('missing:', missing), ...list('unexpected:', unexpected), ...list('of another shape:', other)];
  if (named.length === 0) return named;
  const onlyClassifier = [...missing, ...unexpected, ...other].every((what) => what.startsWith(classifier));
  return [
    ...named,
    onlyClassifier
      ? "make the model with the classes of the file, or leave its last layer out (classifier: 'skip')"
      : 'make the network that the file is of; other names can be changed where the file is written',
  ];
}
