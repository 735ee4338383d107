import { keys } from './config/keys.js';
import { keyHelp } from './config/schema.js';

/** Every setting with what it may hold, for `s2sam train --help`. */
export function keyTable(): string {
  const rows = keys.map(({ path, allowed, fallback }) => {
    const shown = fallback === undefined ? '' : ` [${JSON.stringify(fallback)}]`;
    return { path: `--${path}`, about: [keyHelp[path], `${allowed}${shown}`].filter(Boolean).join('; ') };
  });
  const width = Math.max(...rows.map(({ path }) => path.length));
  return `\nSettings (--section.key=value or --section.key value), with defaults in brackets:\n${rows
    .map(({ path, about }) => `  ${path.padEnd(width)}  ${about}`)
    .join('\n')}`;
}

export const examples = {
  program: `
Examples:
  $ s2sam train                          a first sparse network in minutes
  $ s2sam train --preset resnet32-cifar10-rigl95 --optimizer.rho=0.1
  $ s2sam resume runs/<run>              go on after Ctrl-C
  $ s2sam eval runs/<run>
  $ s2sam export runs/<run> --out network.onnx
  $ s2sam doctor

Exit codes: 0 done, 1 failed, 2 wrong command line or configuration, 130 interrupted with everything saved.
Environment: S2SAM_DEVICE chooses the device where device.kind is auto, S2SAM_DEBUG=1 shows the stack of errors.`,
  train: `
Examples:
  $ s2sam train --preset quickstart --train.timeBudget 10m
  $ s2sam train --preset resnet32-cifar10-erk90 --sparsity.sparsity=0.98 --train.seed 1
  $ s2sam train --preset resnet32-cifar10-erk90 --optimizer sgd --output runs/baseline
  $ s2sam train --config my.yaml --model resnet20 --data cifar100`,
  resume: `
Settings that may change: train.epochs, train.steps, data.root, data.download, data.workers, device.*, output.logEvery,
output.checkpointEvery, output.checkpointSteps.

Examples:
  $ s2sam resume runs/<run>
  $ s2sam resume runs/<run> --train.epochs=200`,
  compare: `
Examples:
  $ s2sam compare --preset resnet32-cifar10-erk90 --methods static,rigl,mest --sparsities 0.9,0.95,0.98 --seeds 0,1,2
  $ s2sam compare table.yaml --out runs/table --format markdown

A file:
  preset: resnet32-cifar10-erk90
  methods: [static, rigl, { method: mest, stages: em&s }]
  sparsities: [0.9, 0.95]
  optimizers: [sgd, s2sam, { name: s2sam, rho: 0.1 }]
  seeds: [0, 1, 2]
  train: { epochs: 40 }`,
  masks: `
Examples:
  $ s2sam masks resnet32 --layout erk --density 0.1
  $ s2sam masks resnet50 --layout uniform --dense stem --sparsity 0.8 --json`,
  pack: `
Examples:
  $ s2sam pack /data/imagenet imagenet.s2pack                       JPEG of quality 90, shorter side 256
  $ s2sam pack /data/imagenet imagenet-raw.s2pack --quality raw     pixels: larger, and several times as fast to read
  $ s2sam pack imagenet.s2pack --verify
  $ s2sam train --data imagenet --data.root imagenet.s2pack ...`,
  corrupt: `
Settings say where the images are: data.name (cifar10 or cifar100), data.root, data.download.

Examples:
  $ s2sam corrupt cifar10-c-generated
  $ s2sam corrupt noise --only gaussian_noise,shot_noise --severities 1,3,5 --seed 1
  $ s2sam eval runs/<run> --corruptions cifar10-c-generated`,
  profile: `
Examples:
  $ s2sam profile --model resnet50 --batch 16 --density 0.1
  $ s2sam profile --device cuda --dtype bf16 --model resnet50 --batch 256
  $ s2sam profile --model resnet32 --layout erk --density 0.05 --trace trace.json`,
  import: `
Settings, e.g. of data.*, are what 's2sam eval' of the checkpoint starts with. Files of PyTorch (.pth) are converted first, with
scripts/pth-to-safetensors.py.

Examples:
  $ s2sam import resnet50.safetensors --model resnet50 --out resnet50-torchvision.safetensors
  $ s2sam import small.safetensors --model resnet18 --classes 10 --out small-imported.safetensors --data cifar10`,
  export: `
Examples:
  $ s2sam export runs/<run> --out resnet32.onnx --normalize
  $ s2sam export runs/<run> --out small.onnx --compact
  $ s2sam export runs/<run>/last.safetensors --format safetensors --out resnet50.safetensors`,
  eval: `
Settings that may change: data.*, device.*, train.batchSize.

Examples:
  $ s2sam eval runs/<run>
  $ s2sam eval runs/<run>/last.safetensors --data.root /data --json
  $ s2sam eval runs/<run> --predictions classes.csv
  $ s2sam eval runs/<run> --corruptions CIFAR-10-C
  $ s2sam eval runs/<run> --corruptions ImageNet-C --severities 1,3,5 --only gaussian_noise,fog`,
} as const;
