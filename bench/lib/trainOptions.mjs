import { parseArgs } from 'node:util';
import { modelNames } from '@s2sam/core';
import { layoutNames, optimizerNames } from './ours.mjs';

/** Forms of PyTorch, as options of its program. */
export const PEER_FORMS = {
  nchw: [],
  'channels-last': ['--channels-last'],
  compile: ['--channels-last', '--compile', 'default'],
  'max-autotune': ['--channels-last', '--compile', 'max-autotune'],
};
const DTYPES = ['f32', 'f16', 'bf16'];
/** The networks of ImageNet; all others are for CIFAR. */
const IMAGENET = ['resnet18', 'resnet34', 'resnet50', 'resnet101'];

export const USAGE = `npm run bench -- train [options]
  --device NAME         cpu, cuda, cuda:N, auto                 default cpu
  --model NAME          ${modelNames.join(', ')}
                                                                default resnet32
  --batch N             images per step                         default 128
  --image-size N        height and width                        default 224 for ${IMAGENET.join(', ')}, else 32
  --dtype NAME          ${DTYPES.join(', ')}: what the network computes in, ours and PyTorch's   default f32
  --sparsity LIST       of our runs                             default 0,0.9
  --layout NAME         ${layoutNames.join(', ')}: how the kept weights are spread over the layers    default uniform
  --threads N           of our runs and PyTorch's               default: one per core
  --optimizer LIST      ${optimizerNames.join(', ')}; of our runs         default sgd,s2sam
  --peer LIST           forms of PyTorch (dense): ${Object.keys(PEER_FORMS).join(', ')}; or none
                                                                default nchw,channels-last; on cuda channels-last,compile
  --peer-optimizer LIST ${optimizerNames.join(', ')}; of PyTorch's runs     default sgd
  --pairs N             rounds: measurements of each, in turn, >= 1   default 5
  --seconds S           least length of one measurement         default 2
  --limit S             begin no further round after this many seconds in all
  --json FILE           write everything there
PyTorch runs in $S2SAM_PYTHON (default python3). What cannot be measured here is listed with the reason.`;

const OPTIONS = {
  device: { type: 'string', default: 'cpu' },
  model: { type: 'string', default: 'resnet32' },
  batch: { type: 'string', default: '128' },
  'image-size': { type: 'string' },
  dtype: { type: 'string', default: 'f32' },
  sparsity: { type: 'string', default: '0,0.9' },
  layout: { type: 'string', default: 'uniform' },
  threads: { type: 'string', default: '0' },
  optimizer: { type: 'string', default: 'sgd,s2sam' },
  peer: { type: 'string' },
  'peer-optimizer': { type: 'string', default: 'sgd' },
  pairs: { type: 'string', default: '5' },
  seconds: { type: 'string', default: '2' },
  limit: { type: 'string', default: '86400' },
  json: { type: 'string' },
  help: { type: 'boolean', default: false },
};

const list = (text) => text.split(',').filter((word) => word !== '');
const atLeastOne = (value) => Number.isInteger(value) && value > 0;

const peersOf = (wish, device) => {
  if (wish === 'none') return [];
  return list(wish ?? (device.startsWith('cuda') ? 'channels-last,compile' : 'nchw,channels-last'));
};

/** Options with their types, checked, and where to write the result; undefined for --help. Throws an Error that says what is wrong. */
export function parseTrainOptions(args) {
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.help) return undefined;
  const imagenet = IMAGENET.includes(values.model);
  const options = {
    device: values.device,
    model: values.model,
    batch: Number(values.batch),
    imageSize: Number(values['image-size'] ?? (imagenet ? 224 : 32)),
    classes: imagenet ? 1000 : 10,
    dtype: values.dtype,
    sparsities: list(values.sparsity).map(Number),
    layout: values.layout,
    threads: Number(values.threads),
    optimizers: list(values.optimizer),
    peers: peersOf(values.peer, values.device),
    peerOptimizers: list(values['peer-optimizer']),
    pairs: Number(values.pairs),
    seconds: Number(values.seconds),
    limit: Number(values.limit),
  };
  const check = (ok, name) => {
    if (!ok) throw new Error(`--${name} ${values[name]} makes no sense\n${USAGE}`);
  };
  check(modelNames.includes(options.model), 'model');
  check(atLeastOne(options.batch), 'batch');
  check(atLeastOne(options.imageSize), 'image-size');
  check(DTYPES.includes(options.dtype), 'dtype');
  check(atLeastOne(options.pairs), 'pairs');
  check(options.seconds > 0, 'seconds');
  check(options.limit > 0, 'limit');
  check(options.sparsities.length > 0 && options.sparsities.every((share) => share >= 0 && share < 1), 'sparsity');
  check(layoutNames.includes(options.layout), 'layout');
  check(Number.isInteger(options.threads) && options.threads >= 0, 'threads');
  const someOptimizers = (names) => names.length > 0 && names.every((name) => optimizerNames.includes(name));
  check(someOptimizers(options.optimizers), 'optimizer');
  check(someOptimizers(options.peerOptimizers), 'peer-optimizer');
  check(
    options.peers.every((form) => form in PEER_FORMS),
    'peer',
  );
  return { options, json: values.json };
}
