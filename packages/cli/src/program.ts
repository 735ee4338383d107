import { readFileSync } from 'node:fs';
import { modelNames } from '@s2sam/core';
import { generatedCorruptions } from '@s2sam/data';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type CompareCommand, compareCommand } from './commands/compare.js';
import { type CorruptCommand, corruptCommand } from './commands/corrupt.js';
import { doctorCommand } from './commands/doctor.js';
import { type EvalCommand, evalCommand } from './commands/eval.js';
import { type ExportCommand, exportCommand, exportFormats } from './commands/export.js';
import { type ImportCommand, importCommand } from './commands/import.js';
import { type MasksCommand, masksCommand } from './commands/masks.js';
import { type PackCommand, packCommand } from './commands/pack.js';
import { presetsCommand } from './commands/presets.js';
import { layersCommand, type ProfileCommand, profileCommand } from './commands/profile.js';
import { reportCommand } from './commands/report.js';
import { resumeCommand } from './commands/resume.js';
import { DEFAULT_PRESET, type TrainCommand, trainCommand } from './commands/train.js';
import { examples, keyTable } from './help.js';
import { optimizerNames } from './profile/workload.js';
import { type Output, terminal } from './run/output.js';
import { layoutNames, type RuleName, ruleNames } from './sparsity/layout.js';

const version = (): string => {
  const file = new URL('../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
};

const summaryOption = (): Option =>
  new Option('--summary <format>', 'end with a summary; json: one JSON object as the very last line').choices([
    'text',
    'json',
  ]);

/** A command whose further `--section.key=value` arguments are settings. */
const withSettings = (command: Command): Command =>
  command.argument('[settings...]').allowUnknownOption().allowExcessArguments();

/** A number an option is given; `allowed` says which. */
const number =
  (allowed: string, accept: (value: number) => boolean) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !accept(value)) throw new InvalidArgumentError(`It must be ${allowed}.`);
    return value;
  };
const names = (text: string): string[] => text.split(',');
const numbers =
  (allowed: string, accept: (value: number) => boolean) =>
  (text: string): number[] =>
    text.split(',').map(number(allowed, accept));
const severityList = numbers('whole numbers from 1 to 5', (x) => Number.isInteger(x) && x >= 1 && x <= 5);
const whole = number('a whole number >= 1', (value) => Number.isInteger(value) && value >= 1);
const natural = number('a whole number >= 0', (value) => Number.isInteger(value) && value >= 0);
const share = number('a number > 0 and <= 1', (value) => value > 0 && value <= 1);

const quality = (text: string): number | 'raw' => (text === 'raw' ? text : whole(text));

/** Where no file is named, the first setting stands in its place. */
const fileAndSettings = (
  file: string | undefined,
  settings: readonly string[],
): [string | undefined, readonly string[]] =>
  file?.startsWith('--') === true ? [undefined, [file, ...settings]] : [file, settings];

/** A rule, or names of layers separated by commas. */
const rule = (text: string): RuleName | string[] =>
  (ruleNames as readonly string[]).includes(text) ? (text as RuleName) : text.split(',');

/** Options that say what training step to run. */
const withWorkload = (command: Command, model: string, batch: number, density: number): Command =>
  command
    .option('--model <name>', modelNames.join(', '), model)
    .option('--batch <images>', 'images per step', whole, batch)
    .option(
      '--imageSize <pixels>',
      'height and width of the images; default 224 for models of ImageNet, else 32',
      whole,
    )
    .option('--classes <count>', 'default that of the model', whole)
    .option('--density <share>', 'kept share of the weights', share, density)
    .addOption(new Option('--layout <name>', 'how the density is spread').choices(layoutNames).default('uniform'))
    .option(
      '--dense <rule>',
      `what stays dense: ${ruleNames.join(', ')}, or names of layers`,
      rule,
      'stemAndClassifier',
    )
    .option('--device <name>', 'auto, cpu, cuda or cuda:N; default $S2SAM_DEVICE, else auto')
    .addOption(
      new Option('--dtype <type>', 'what the network computes in').choices(['f32', 'f16', 'bf16']).default('f32'),
    )
    .option('--threads <count>', 'of the CPU; default one per core', whole)
    .option('--seed <number>', 'of weights and masks', natural, 0);

/** `s2sam doctor`. */
interface DoctorOptions extends Omit<ProfileCommand, 'optimizer' | 'steps' | 'json' | 'trace'> {
  readonly json?: boolean;
  readonly data?: string;
  readonly layers?: boolean;
}

/** The command line of `s2sam`; each action reports its exit code to `exit`. */
export function makeProgram(exit: (code: number) => void, output: Output = terminal): Command {
  const program = new Command('s2sam')
    .description('Sparse training of neural networks with S2-SAM')
    .version(version())
    .showHelpAfterError('(s2sam --help shows all commands)')
    .addHelpText('after', examples.program);

  withSettings(program.command('train'))
    .description('train a network in a new run folder')
    .option('--preset <name>', `a recipe; 's2sam presets' lists all (default: ${DEFAULT_PRESET})`)
    .option('--config <file>', 'a YAML file, laid over the preset if one is named')
    .addOption(summaryOption())
    .addHelpText('after', () => `${keyTable()}\n${examples.train}`)
    .action(async (settings: string[], options: TrainCommand) => exit(await trainCommand(options, settings, output)));

  withSettings(program.command('resume').argument('<run>', 'run folder or checkpoint'))
    .description('go on with a run where its last checkpoint was written')
    .addOption(summaryOption())
    .addHelpText('after', examples.resume)
    .action(async (run: string, settings: string[], options: TrainCommand) =>
      exit(await resumeCommand(run, options, settings, output)),
    );

  withSettings(program.command('eval').argument('<checkpoint>', 'checkpoint or run folder'))
    .description('evaluate a checkpoint on the test images, or on corrupted ones')
    .option('--json', 'print one JSON object')
    .option('--ema', 'take the moving average of the weights (train.ema)')
    .option('--predictions <file>', 'write the class of every test image: index,label,predicted,logit')
    .option('--corruptions <folder>', 'CIFAR-C or ImageNet-C as released: accuracy by corruption')
    .option('--severities <numbers>', 'of --corruptions: with commas, 1 to 5 (default: all)', severityList)
    .option('--only <names>', 'of --corruptions: with commas, e.g. fog,snow (default: all)', names)
    .addHelpText('after', examples.eval)
    .action(async (checkpoint: string, settings: string[], options: EvalCommand) =>
      exit(await evalCommand(checkpoint, options, settings, output)),
    );

  program
    .command('export')
    .argument('<checkpoint>', 'checkpoint or run folder')
    .description('write the network of a checkpoint for other programs; masked weights are zeros in the file')
    .addOption(
      new Option('--format <form>', 'onnx, or safetensors: a state dict that PyTorch loads')
        .choices(exportFormats)
        .default('onnx'),
    )
    .requiredOption('--out <file>', 'where to write it')
    .option('--ema', 'take the moving average of the weights (train.ema)')
    .option('--compact', 'leave out channels that are masked out')
    .option('--keepBatchNorm', 'do not make batch norms part of the convolutions before them (onnx)')
    .option('--imageSize <pixels>', 'height and width of the images; default those of the training', whole)
    .option('--normalize', 'take images with values from 0 to 1 and normalise them as in training (onnx)')
    .addHelpText('after', examples.export)
    .action(async (checkpoint: string, options: ExportCommand) =>
      exit(await exportCommand(checkpoint, options, output)),
    );

  withSettings(program.command('import').argument('<file>', 'safetensors file with the names of torchvision or timm'))
    .description('make a checkpoint of weights that another program trained')
    .requiredOption('--model <name>', modelNames.join(', '))
    .requiredOption('--out <file>', 'checkpoint to write')
    .option('--classes <count>', 'default that of the model', whole)
    .addHelpText('after', examples.import)
    .action(async (file: string, settings: string[], options: ImportCommand) =>
      exit(await importCommand(file, options, settings, output)),
    );

  const compare = (file: string | undefined, settings: string[], options: CompareCommand): Promise<number> => {
    const [path, overrides] = fileAndSettings(file, settings);
    return compareCommand(path, options, overrides, output);
  };
  withSettings(
    program.command('compare').argument('[file]', 'YAML: methods, sparsities, optimizers, seeds, and sections'),
  )
    .description('train every method at every sparsity with every optimizer and seed, and compare; call again to go on')
    .option('--preset <name>', 'what all cells share, under the file and the settings')
    .option('--methods <names>', 'dense and methods of sparsity.method, with commas', names)
    .option(
      '--sparsities <shares>',
      'with commas, e.g. 0.9,0.95',
      numbers('shares >= 0 and < 1', (x) => x >= 0 && x < 1),
    )
    .option('--optimizers <names>', 'the first is what the others are compared with (default: sgd,s2sam)', names)
    .option(
      '--seeds <numbers>',
      '(default: 0,1,2)',
      numbers('whole numbers >= 0', (x) => Number.isInteger(x) && x >= 0),
    )
    .option('--out <folder>', 'folder of the run folders and of comparison.{txt,md,html,json}', 'runs/comparison')
    .addOption(new Option('--format <form>', 'what to print').choices(['text', 'markdown', 'html']).default('text'))
    .option('--list', 'only list the cells and how far they got')
    .addHelpText('after', examples.compare)
    .action(async (file: string | undefined, settings: string[], options: CompareCommand) =>
      exit(await compare(file, settings, options)),
    );

  program
    .command('pack')
    .argument('<source>', 'folder with train and val, with tar shards or parquet files; or a store, with --verify')
    .argument('[target]', 'the file to write, ending in .s2pack')
    .description('pack image files into one file, made small; call again to go on')
    .option('--resolution <pixels>', 'shorter side at most', whole, 256)
    .option('--quality <number>', 'of JPEG, 1 to 100, or raw: pixels', quality, 90)
    .option('--workers <count>', 'threads (default: one per core)', whole)
    .addOption(
      new Option('--broken <policy>', 'images that cannot be read').choices(['error', 'skip']).default('error'),
    )
    .option('--verify', 'compare all checksums of a store instead')
    .addHelpText('after', examples.pack)
    .action(async (source: string, target: string | undefined, options: PackCommand) =>
      exit(await packCommand(source, target, options, output)),
    );
  withSettings(program.command('corrupt').argument('<folder>', 'a new folder, or one to go on with'))
    .description('make corrupted copies of the test images of CIFAR, for eval --corruptions')
    .option('--seed <number>', 'of the noise', natural, 0)
    .option('--severities <numbers>', 'with commas, 1 to 5 (default: all)', severityList)
    .option('--only <names>', `with commas (default: ${generatedCorruptions.join(',')})`, names)
    .option('--images <count>', 'the first so many of each severity (default: all)', whole)
    .addHelpText('after', examples.corrupt)
    .action(async (folder: string, settings: string[], options: CorruptCommand) =>
      exit(await corruptCommand(folder, options, settings, output)),
    );

  program
    .command('presets')
    .description('list the presets, or those whose names contain all the words; of a single one, its settings')
    .argument('[words...]', 'e.g. resnet32 rigl')
    .option('--json', 'print one JSON object of settings by name')
    .action((words: string[], options: { json?: boolean }) => exit(presetsCommand(words, options, output)));

  program
    .command('masks')
    .description('show what a layout keeps of each layer, and the FLOPs of that, without training')
    .argument('<model>', modelNames.join(', '))
    .addOption(new Option('--layout <name>', 'how the density is spread').choices(layoutNames).default('erk'))
    .option('--density <share>', 'kept share of the weights', share)
    .option(
      '--sparsity <share>',
      '1 - density; give one of the two',
      number('a number >= 0 and < 1', (x) => x >= 0 && x < 1),
    )
    .option('--dense <rule>', `what stays dense: ${ruleNames.join(', ')}, or names of layers with commas`, rule)
    .option(
      '--powerScale <exponent>',
      'of er and erk',
      number('a number >= 0', (value) => value >= 0),
    )
    .option('--classes <count>', 'of the data set; default that of the model', whole)
    .option(
      '--imageSize <pixels>',
      'height and width of the images; default 224 for models of ImageNet, else 32',
      whole,
    )
    .option('--updateEvery <steps>', 'between two dense gradients, for the FLOPs of RigL', whole, 100)
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples.masks)
    .action(async (model: string, options: MasksCommand) => exit(await masksCommand(model, options, output)));

  program
    .command('report')
    .description('make the HTML report of a run: one file that needs nothing else')
    .argument('<run>', 'run folder')
    .option('--out <file>', 'where to write it (default: report.html in the run folder)')
    .action((run: string, options: { out?: string }) => exit(reportCommand(run, options, output)));

  withWorkload(program.command('profile'), 'resnet32', 128, 1)
    .description('show where the time of a training step goes: by op, by layer, beside what the machine can do')
    .addOption(new Option('--optimizer <name>').choices(optimizerNames).default('s2sam'))
    .option('--steps <count>', 'how many steps to look at', whole, 5)
    .option('--trace <file>', 'write a trace for chrome://tracing or Perfetto')
    .option('--json <file>', 'write every op that ran')
    .addHelpText('after', examples.profile)
    .action(async (options: ProfileCommand) => exit(await profileCommand(options, output)));

  withWorkload(program.command('doctor'), 'resnet50', 16, 0.1)
    .description('check what this machine offers and whether s2sam works on it')
    .option('--json', 'print one JSON object')
    .option('--data <folder>', 'where to look for data sets, before $S2SAM_DATA and the cache folder')
    .option('--layers', 'instead: run a step of the model and list how each layer is computed, and what else was timed')
    .action(async (options: DoctorOptions) =>
      exit(
        await (options.layers === true
          ? layersCommand({ ...options, optimizer: 'sgd' }, output)
          : doctorCommand(options, output)),
      ),
    );

  return program;
}
