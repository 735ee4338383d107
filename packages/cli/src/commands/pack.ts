import { ConfigError } from '@s2sam/core';
import { type PackProgress, pack, STORE_ENDING, verifyStore } from '@s2sam/data';
import { INTERRUPTED, Interrupt, unlessAborted } from '../run/interrupt.js';
import type { Output } from '../run/output.js';

export interface PackCommand {
  readonly resolution: number;
  readonly quality: number | 'raw';
  readonly workers?: number;
  readonly broken: 'error' | 'skip';
  readonly verify?: boolean;
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** A line per hundredth of the images, at most one per second. */
function progressLines(say: (line: string) => void): (progress: PackProgress) => void {
  let [told, at] = [-1, 0];
  return ({ done, total, bytes }) => {
    const hundredth = Math.floor((100 * done) / total);
    if (hundredth === told || performance.now() - at < 1000) return;
    [told, at] = [hundredth, performance.now()];
    say(`packed    ${done} of ${total} images (${hundredth} %), ${megabytes(bytes)}`);
  };
}

/** `s2sam pack`: a data set of image files into one file. Resolves with the exit code. */
export async function packCommand(
  source: string,
  target: string | undefined,
  options: PackCommand,
  output: Output,
): Promise<number> {
  if (options.verify === true) return verify(source, output);
  if (target === undefined) {
    throw new ConfigError(
      `pack: the file to write is not named; give it behind the source, ending in ${STORE_ENDING}`,
      {
        op: 'pack',
      },
    );
  }
  using interrupt = new Interrupt();
  const { signal } = interrupt;
  const { verify: _, ...settings } = options;
  const result = await unlessAborted(
    signal,
    pack(source, target, {
      ...settings,
      signal,
      onBroken: (name, reason) => output.warn(`left out ${name}: it ${reason}`),
      onProgress: progressLines(output.print),
    }),
  );
  if (result === undefined) {
    output.print(`interrupted; the same command goes on with ${target}.partial`);
    return INTERRUPTED;
  }
  const { images, leftOut, bytes, found } = result;
  const earlier = found === 0 ? '' : `, ${found} of them by an earlier attempt`;
  output.print(`packed    ${images} images${earlier}, ${leftOut} left out, ${megabytes(bytes)}: ${target}`);
  return 0;
}

function verify(path: string, output: Output): number {
  const { name, images, train, test, resolution, quality, leftOut, bytes } = verifyStore(path);
  const form = quality === 0 ? 'pixels' : `JPEG of quality ${quality}`;
  output.print(
    `sound     ${path}: ${name}, ${images} of ${train} + ${test} images, shorter side ${resolution} at most, ${form}, ${megabytes(bytes)}`,
  );
  for (const reason of leftOut) output.print(`left out  ${reason}`);
  return 0;
}
