import { type Classifier, createModel, type Device, type ImageDataset, openDevice } from '@s2sam/core';
import { openDataset } from '@s2sam/data';
import type { Config } from '../config/schema.js';

/** What a configuration needs of this machine: the device and the data. */
export interface Session extends AsyncDisposable {
  readonly device: Device;
  readonly dataset: ImageDataset;
}

/** Opens device and data; `say` gets what the user should know, e.g. that the images are made up. */
export async function openSession(
  config: Pick<Config, 'device' | 'data'>,
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<Session> {
  const { name, root, download, fallback } = config.data;
  const { dataset, notice } = await openDataset(name, { root, download, fallback, ...(signal ? { signal } : {}) });
  if (notice !== undefined) say(notice);
  const { kind, threads } = config.device;
  const device = await openDevice(kind, { threads, notify: say });
  return { device, dataset, [Symbol.asyncDispose]: () => device[Symbol.asyncDispose]() };
}

/** The configured network with fresh weights. */
export const newModel = (config: Config, { device, dataset }: Session): Classifier =>
  createModel(config.model.name, { device, classes: dataset.classes, seed: config.train.seed });
