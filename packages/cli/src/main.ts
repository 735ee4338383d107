import { CommanderError } from 'commander';
import { describeError, exitCodes } from './errors.js';
import { makeProgram } from './program.js';

/** Runs the command line and leaves the exit code in the process. */
export async function main(argv: readonly string[]): Promise<void> {
  ignoreClosedPipes();
  try {
    const program = makeProgram((code) => {
      process.exitCode = code;
    });
    for (const command of [program, ...program.commands]) command.exitOverride();
    await program.parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
      return;
    }
    const { text, exitCode } = describeError(error, Boolean(process.env.S2SAM_DEBUG));
    process.stderr.write(`${text}\n`);
    process.exitCode = exitCode;
  }
}

/** `s2sam train | head` must not end the training. */
function ignoreClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}
