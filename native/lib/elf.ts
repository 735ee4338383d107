import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** e_machine of the processors we know. */
const machines: Record<string, number> = { x64: 62, arm64: 183 };

/**
 * Whether a file is a whole ELF binary for this processor; throws an Error that says what it is instead. The system's loader
 * would say less about a foreign one, and be killed by a truncated one.
 */
export function checkElf(path: string): void {
  const file = openSync(path, 'r');
  try {
    const header = Buffer.alloc(64);
    const length = readSync(file, header, 0, 64, 0);
    if (length < 64 || header.readUInt32BE(0) !== 0x7f454c46) throw new Error('it is not a Linux binary');
    const machine = header.readUInt16LE(18);
    if (machine !== machines[process.arch]) {
      const name = Object.keys(machines).find((arch) => machines[arch] === machine) ?? `machine ${machine}`;
      throw new Error(`it is a binary for ${name}, not for ${process.arch}`);
    }
    // The section table comes last in what linkers write.
    const end = Number(header.readBigUInt64LE(40)) + header.readUInt16LE(58) * header.readUInt16LE(60);
    if (end > fstatSync(file).size) throw new Error('it is truncated');
  } finally {
    closeSync(file);
  }
}
