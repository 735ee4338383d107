// Prints the GPU that would be used; without one, says why and ends with exit code 2.
import { devices } from '@s2sam/core';

const gpus = devices().filter(({ kind }) => kind === 'cuda');
const usable = gpus.find((device) => device.usable);
if (usable === undefined) {
  console.error(`There is no usable GPU here: ${gpus.map(({ reason }) => reason).join('; ')}`);
  process.exitCode = 2;
} else {
  console.log(`${usable.id} ${usable.name}, ${Math.round(usable.memoryBytes / 2 ** 30)} GiB`);
}
