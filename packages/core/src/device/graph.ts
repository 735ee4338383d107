import type { GraphHandle, NativeBinding } from '@s2sam/native';
import { DisposedError } from '../errors.js';

/** A recorded list of ops (a CUDA graph on the GPU), see `Device.capture`. */
export class Graph implements Disposable {
  #handle: GraphHandle;

  /** @internal */
  constructor(
    private readonly native: NativeBinding,
    handle: GraphHandle,
  ) {
    this.#handle = handle;
  }

  /** Enqueues the recorded ops. Throws ArgumentError where the graph is stale. */
  replay(): void {
    this.native.replay(this.#living('graph.replay'));
  }

  /** Whether it was recorded for the pattern of a mask that has changed since; then dispose it and record again. */
  get stale(): boolean {
    return this.native.isStale(this.#living('graph.stale'));
  }

  #living(op: string): GraphHandle {
    if (this.#handle === 0) throw new DisposedError(`${op}: the graph has been disposed`, { op });
    return this.#handle;
  }

  [Symbol.dispose](): void {
    if (this.#handle === 0) return;
    this.native.disposeGraph(this.#handle);
    this.#handle = 0;
  }
}
