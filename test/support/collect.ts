import type { Classifier, Run, StepEvent, TrainEvent } from '@s2sam/core';

export async function collect(run: Run): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of run) events.push(event);
  return events;
}

export const steps = (events: readonly TrainEvent[]): StepEvent[] =>
  events.filter((event): event is StepEvent => event.type === 'step');

/** Everything a model holds, by name: for comparisons bit for bit. */
export async function bitsOf(model: Classifier): Promise<Map<string, Uint32Array>> {
  const bits = new Map<string, Uint32Array>();
  const add = async (name: string, tensor: { toArray(): Promise<{ buffer: ArrayBuffer }> }): Promise<void> => {
    bits.set(name, new Uint32Array((await tensor.toArray()).buffer));
  };
  for (const [name, { storage, mask }] of model.namedParameters()) {
    await add(`${name} value`, storage.value);
    await add(`${name} working`, storage.working);
    await add(`${name} momentum`, storage.momentum);
    await add(`${name} gradient`, storage.gradient);
    if (mask !== undefined) bits.set(`${name} mask`, await mask.read());
  }
  for (const [name, { tensor }] of model.namedBuffers()) await add(name, tensor);
  return bits;
}
