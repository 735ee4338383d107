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

  /** Enqueues the recorded ops. */
  replay(): void {
    if (this.#handle === 0)
      throw new DisposedError('graph.replay: the graph has been disposed', { op: 'graph.replay' });
    this.native.replay(this.#handle);
  }

  [Symbol.dispose](): void {
    if (this.#handle === 0) return;
    this.native.disposeGraph(this.#handle);
    this.#handle = 0;
  }
}
