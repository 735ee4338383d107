import { modelNames } from '@s2sam/core';
import { layoutNames } from './ours.mjs';

/** What the benchmarks of whole networks have in common. */

const DTYPES = ['f32', 'f16', 'bf16'];
/** The networks of ImageNet; all others are for CIFAR. */
export const IMAGENET = ['resnet18', 'resnet34', 'resnet50', 'resnet101'];

export const COMMON_OPTIONS = {
  device: { type: 'string', default: 'cpu' },
  model: { type: 'string', default: 'resnet32' },
  dtype: { type: 'string', default: 'f32' },
  sparsity: { type: 'string', default: '0,0.9' },
  layout: { type: 'string', default: 'uniform' },
  threads: { type: 'string', default: '0' },
  pairs: { type: 'string', default: '5' },
  seconds: { type: 'string', default: '2' },
  limit: { type: 'string', default: '86400' },
  json: { type: 'string' },
  help: { type: 'boolean', default: false },
};

export const COMMON_USAGE = `  --device NAME         cpu, cuda, cuda:N, auto                 default cpu
  --model NAME          ${modelNames.join(', ')}
                                                                default resnet32
  --dtype NAME          ${DTYPES.join(', ')}: what the network computes in   default f32
  --sparsity LIST       shares of masked weights                default 0,0.9
  --layout NAME         ${layoutNames.join(', ')}: how the kept weights are spread over the layers    default uniform
  --threads N           of our runs and PyTorch's               default: one per core
  --pairs N             rounds: measurements of each, in turn, >= 1   default 5
  --seconds S           least length of one measurement         default 2
  --limit S             begin no further round after this many seconds in all
  --json FILE           write everything there
PyTorch runs in $S2SAM_PYTHON (default python3). What cannot be measured here is listed with the reason.`;

export const list = (text) => text.split(',').filter((word) => word !== '');
export const atLeastOne = (value) => Number.isInteger(value) && value > 0;

/** Throws an Error that says which option makes no sense. */
export const checker = (values, usage) => (ok, name) => {
  if (!ok) throw new Error(`--${name} ${values[name]} makes no sense\n${usage}`);
};

/** The common options with their types; `check`: of `checker`. */
export function commonOptions(values, check) {
  const options = {
    device: values.device,
    model: values.model,
    classes: IMAGENET.includes(values.model) ? 1000 : 10,
    dtype: values.dtype,
    sparsities: list(values.sparsity).map(Number),
    layout: values.layout,
    threads: Number(values.threads),
    pairs: Number(values.pairs),
    seconds: Number(values.seconds),
    limit: Number(values.limit),
  };
  check(modelNames.includes(options.model), 'model');
  check(DTYPES.includes(options.dtype), 'dtype');
  check(options.sparsities.length > 0 && options.sparsities.every((share) => share >= 0 && share < 1), 'sparsity');
  check(layoutNames.includes(options.layout), 'layout');
  check(Number.isInteger(options.threads) && options.threads >= 0, 'threads');
  check(atLeastOne(options.pairs), 'pairs');
  check(options.seconds > 0, 'seconds');
  check(options.limit > 0, 'limit');
  return options;
}
