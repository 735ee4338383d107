import type { TrainEvent } from '@s2sam/core';

/** Somebody who watches a training: log, bar, files. Each sees every event, in order. */
export interface Consumer {
  on(event: TrainEvent): void | Promise<void>;
  /** Called once, also when the training threw. */
  close(): void | Promise<void>;
}

export type Warn = (message: string) => void;

/**
 * A consumer whose failures do not end the training: the first is reported, then it goes on trying, since a full disk may have
 * room again.
 */
export function tolerant(name: string, consumer: Consumer, warn: Warn): Consumer {
  let warned = false;
  const attempt = async (action: () => void | Promise<void>): Promise<void> => {
    try {
      await action();
    } catch (error) {
      if (!warned) warn(`${name} failed, training goes on: ${error instanceof Error ? error.message : String(error)}`);
      warned = true;
    }
  };
  return { on: (event) => attempt(() => consumer.on(event)), close: () => attempt(() => consumer.close()) };
}

/** Hands every event of a run to every consumer; closes all of them whatever happens. */
export async function consume(events: AsyncIterable<TrainEvent>, consumers: readonly Consumer[]): Promise<void> {
  try {
    for await (const event of events) {
      for (const consumer of consumers) await consumer.on(event);
    }
  } finally {
    for (const consumer of consumers) await consumer.close();
  }
}
