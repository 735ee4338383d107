import { parseArgs } from 'node:util';
import { atLeastOne, COMMON_OPTIONS, COMMON_USAGE, checker, commonOptions, IMAGENET, list } from './options.mjs';
import { optimizerNames } from './ours.mjs';

/** Forms of PyTorch, as options of its program. */
export const PEER_FORMS = {
  nchw: [],
  'channels-last': ['--channels-last'],
  compile: ['--channels-last', '--compile', 'default'],
  'max-autotune': ['--channels-last', '--compile', 'max-autotune'],
};

export const USAGE = `npm run bench -- train [options]
  --batch N             images per step                         default 128
  --image-size N        height and width                        default 224 for ${IMAGENET.join(', ')}, else 32
  --optimizer LIST      ${optimizerNames.join(', ')}; of our runs         default sgd,s2sam
  --peer LIST           forms of PyTorch (dense): ${Object.keys(PEER_FORMS).join(', ')}; or none
                                                                default nchw,channels-last; on cuda channels-last,compile
  --peer-optimizer LIST ${optimizerNames.join(', ')}; of PyTorch's runs     default sgd
${COMMON_USAGE}`;

const OPTIONS = {
  ...COMMON_OPTIONS,
  batch: { type: 'string', default: '128' },
  'image-size': { type: 'string' },
  optimizer: { type: 'string', default: 'sgd,s2sam' },
  peer: { type: 'string' },
  'peer-optimizer': { type: 'string', default: 'sgd' },
};

const peersOf = (wish, device) => {
  if (wish === 'none') return [];
  return list(wish ?? (device.startsWith('cuda') ? 'channels-last,compile' : 'nchw,channels-last'));
};

/** Options with their types, checked, and where to write the result; undefined for --help. Throws an Error that says what is wrong. */
export function parseTrainOptions(args) {
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.help) return undefined;
  const check = checker(values, USAGE);
  const options = {
    ...commonOptions(values, check),
    batch: Number(values.batch),
    imageSize: Number(values['image-size'] ?? (IMAGENET.includes(values.model) ? 224 : 32)),
    optimizers: list(values.optimizer),
    peers: peersOf(values.peer, values.device),
    peerOptimizers: list(values['peer-optimizer']),
  };
  check(atLeastOne(options.batch), 'batch');
  check(atLeastOne(options.imageSize), 'image-size');
  const someOptimizers = (names) => names.length > 0 && names.every((name) => optimizerNames.includes(name));
  check(someOptimizers(options.optimizers), 'optimizer');
  check(someOptimizers(options.peerOptimizers), 'peer-optimizer');
  check(
    options.peers.every((form) => form in PEER_FORMS),
    'peer',
  );
  return { options, json: values.json };
}
