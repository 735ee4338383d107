import { closeSync, openSync, writeSync } from 'node:fs';
import { ioError } from '@s2sam/core';

/** A file that only grows. Every write is handed to the system before it returns, so a killed process loses nothing. */
export class AppendFile {
  readonly path: string;
  readonly #descriptor: number;

  /** Throws IoError. */
  constructor(path: string) {
    this.path = path;
    try {
      this.#descriptor = openSync(path, 'a');
    } catch (cause) {
      throw ioError('log', path, cause);
    }
  }

  /** Throws IoError; part of the bytes may have been written then. */
  write(bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#descriptor, bytes, done);
    } catch (cause) {
      throw ioError('log', this.path, cause);
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
