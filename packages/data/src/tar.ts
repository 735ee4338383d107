/** Takes bytes off a stream in the amounts asked for. */
class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** The next `count` bytes; fewer only where the stream ends. */
  async read(count: number): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for (let missing = count; missing > 0; ) {
      if (this.#rest.length === 0) {
        const { done, value } = await this.#chunks.next();
        if (done === true) break;
        this.#rest = value;
      }
      const part = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(part.length);
      missing -= part.length;
      parts.push(part);
    }
    return Buffer.concat(parts);
  }
}

export interface TarFile {
  readonly name: string;
  readonly content: Buffer;
}

const BLOCK = 512;
const field = (header: Buffer, begin: number, end: number): string => {
  const text = header.toString('latin1', begin, end);
  return text.replace(/\0.*$/s, '').trim();
};

/** The regular files of a tar stream (ustar; names up to 100 characters, sizes below 8 GiB). Throws for a broken stream. */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarFile> {
  const bytes = new ByteReader(source);
  for (;;) {
    const header = await bytes.read(BLOCK);
    if (header.length < BLOCK || header.every((byte) => byte === 0)) return;
    const name = field(header, 0, 100);
    const size = Number.parseInt(field(header, 124, 136), 8);
    if (!(size >= 0)) throw new Error(`the tar header of '${name}' has no size`);
    const padded = await bytes.read(Math.ceil(size / BLOCK) * BLOCK);
    if (padded.length < size) throw new Error(`the archive ends inside '${name}': ${padded.length} of ${size} bytes`);
    const type = field(header, 156, 157);
    if (type === '0' || type === '') yield { name, content: padded.subarray(0, size) };
  }
}
