import { philox, type StreamKey } from '@s2sam/core';

/** 53 random bits as a number in (0, 1). */
const unit = (high: number, low: number): number => ((high >>> 11) * 0x100000000 + low + 0.5) / 0x20000000000000;

/** Random numbers of one image: a function of the key and the image alone. */
export class Draws {
  readonly #key: StreamKey;
  readonly #image: number;
  #counter = 0;
  #spare: number | undefined;

  constructor(key: StreamKey, image: number) {
    this.#key = key;
    this.#image = image;
  }

  /** In (0, 1). */
  uniform(): number {
    return this.#kept(() => this.#pair());
  }

  /** Of mean 0 and variance 1 (Box and Muller 1958). */
  normal(): number {
    return this.#kept(() => {
      const [first, second] = this.#pair();
      const radius = Math.sqrt(-2 * Math.log(first));
      return [radius * Math.cos(2 * Math.PI * second), radius * Math.sin(2 * Math.PI * second)];
    });
  }

  #pair(): [number, number] {
    const [a, b, c, d] = philox(this.#key, this.#counter++, this.#image);
    return [unit(a, b), unit(c, d)];
  }

  /** Of two numbers drawn together the second waits for the next call. An image asks for one kind of numbers only. */
  #kept(draw: () => [number, number]): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare;
      this.#spare = undefined;
      return spare;
    }
    const [first, second] = draw();
    this.#spare = second;
    return first;
  }
}
