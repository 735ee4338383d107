import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** A file that is read by stretches. */
export class FileStretches implements Disposable {
  readonly #file: number;
  readonly size: number;

  constructor(readonly path: string) {
    this.#file = openSync(path, 'r');
    this.size = fstatSync(this.#file).size;
  }

  read(offset: number, length: number): Buffer {
    const bytes = Buffer.alloc(Math.max(0, Math.min(length, this.size - offset)));
    let done = 0;
    while (done < bytes.length) {
      const count = readSync(this.#file, bytes, done, bytes.length - done, offset + done);
      if (count === 0) break;
      done += count;
    }
    return bytes.subarray(0, done);
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}
