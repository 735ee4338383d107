import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { doctorCommand } from './commands/doctor.js';
import { evalCommand } from './commands/eval.js';
import { reportCommand } from './commands/report.js';
import { resumeCommand } from './commands/resume.js';
import { DEFAULT_PRESET, type TrainCommand, trainCommand } from './commands/train.js';
import { presetNames } from './config/load.js';
import { examples, keyTable } from './help.js';
import { type Output, terminal } from './run/output.js';

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

/** The command line of `s2sam`; each action reports its exit code to `exit`. */
export function makeProgram(exit: (code: number) => void, output: Output = terminal): Command {
  const program = new Command('s2sam')
    .description('Sparse training of neural networks with S2-SAM')
    .version(version())
    .showHelpAfterError('(s2sam --help shows all commands)')
    .addHelpText('after', examples.program);

  withSettings(program.command('train'))
    .description('train a network in a new run folder')
    .option('--preset <name>', `a recipe: ${presetNames().join(', ')} (default: ${DEFAULT_PRESET})`)
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
    .description('evaluate a checkpoint on the test images')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples.eval)
    .action(async (checkpoint: string, settings: string[], options: { json?: boolean }) =>
      exit(await evalCommand(checkpoint, options, settings, output)),
    );

  program
    .command('report')
    .description('make the HTML report of a run: one file that needs nothing else')
    .argument('<run>', 'run folder')
    .option('--out <file>', 'where to write it (default: report.html in the run folder)')
    .action((run: string, options: { out?: string }) => exit(reportCommand(run, options, output)));

  program
    .command('doctor')
    .description('check what this machine offers and whether s2sam works on it')
    .option('--json', 'print one JSON object')
    .option('--data <folder>', 'where to look for data sets, before $S2SAM_DATA and the cache folder')
    .action(async (options: { json?: boolean; data?: string }) => exit(await doctorCommand(options, output)));

  return program;
}
