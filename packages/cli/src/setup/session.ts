import {
  type AnySplit,
  type Classifier,
  createModel,
  type Device,
  type ImageDataset,
  loadPretrained,
  openDevice,
} from '@s2sam/core';
import type { Config } from '../config/schema.js';
import { closeData, openData } from './data.js';

/** What a configuration needs of this machine: the device and the data. */
export interface Session extends AsyncDisposable {
  readonly device: Device;
  readonly dataset: ImageDataset<AnySplit>;
}

/** Opens device and data; `say` gets what the user should know, e.g. that the images are made up. */
export async function openSession(
  config: Pick<Config, 'device' | 'data'>,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<Session> {
  const { kind, threads } = config.device;
  // `auto` is left to the environment variable and the default.
  const device = await openDevice(kind === 'auto' ? undefined : kind, { threads, notify: say });
  try {
    const dataset = await openData(config.data, device.kind, say, signal);
    const close = async (): Promise<void> => {
      await device[Symbol.asyncDispose]();
      closeData(dataset);
    };
    return { device, dataset, [Symbol.asyncDispose]: close };
  } catch (error) {
    await device[Symbol.asyncDispose]();
    throw error;
  }
}

/** The configured network with fresh weights. */
export const newModel = (config: Config, { device, dataset }: Session): Classifier =>
  createModel(config.model.name, {
    device,
    classes: dataset.classes,
    seed: config.train.seed,
    dtype: config.model.dtype,
    zeroInitResidual: config.model.zeroInitResidual,
  });

/** The network that a training starts with: `newModel`, with the weights of `model.weights` where that is given. */
export async function startingModel(config: Config, session: Session): Promise<Classifier> {
  const model = newModel(config, session);
  const { weights, skipClassifier } = config.model;
  if (weights === undefined) return model;
  try {
    await loadPretrained(model, weights, { classifier: skipClassifier ? 'skip' : 'load' });
    return model;
  } catch (error) {
    model[Symbol.dispose]();
    throw error;
  }
}

/** Trainable parameters, masked ones included. */
export const parameterCount = (model: Classifier): number =>
  [...model.namedParameters().values()].reduce((sum, parameter) => sum + parameter.size, 0);
