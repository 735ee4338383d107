import { type Classifier, createModel, type Device, type ImageDataset, openDevice } from '@s2sam/core';
import type { Config } from '../config/schema.js';
import { openData } from './data.js';

/** What a configuration needs of this machine: the device and the data. */
export interface Session extends AsyncDisposable {
  readonly device: Device;
  readonly dataset: ImageDataset;
}

/** Opens data and device; `say` gets what the user should know, e.g. that the images are made up. */
export async function openSession(
  config: Pick<Config, 'device' | 'data'>,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<Session> {
  const dataset = await openData(config.data, say, signal);
  const { kind, threads } = config.device;
  // `auto` is left to the environment variable and the default.
  const device = await openDevice(kind === 'auto' ? undefined : kind, { threads, notify: say });
  return { device, dataset, [Symbol.asyncDispose]: () => device[Symbol.asyncDispose]() };
}

/** The configured network with fresh weights. */
export const newModel = (config: Config, { device, dataset }: Session): Classifier =>
  createModel(config.model.name, {
    device,
    classes: dataset.classes,
    seed: config.train.seed,
    dtype: config.model.dtype,
  });

/** Trainable parameters, masked ones included. */
export const parameterCount = (model: Classifier): number =>
  [...model.namedParameters().values()].reduce((sum, parameter) => sum + parameter.size, 0);
