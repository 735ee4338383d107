import { stat } from 'node:fs/promises';
import type { Classifier } from '../models/classifier.js';
import { densityOf } from '../sparsity/state.js';
import { batchCounts } from './checkpoint.js';
import { type DeferredTensor, type NamedTensor, writeSafetensors } from './safetensors.js';
import { bufferValues, maskedValues } from './values.js';

export interface ExportSafetensorsOptions {
  /** What `num_batches_tracked` of every batch norm becomes: the steps the model was trained. Default 0. */
  readonly batches?: number;
}

/** What was written. */
export interface ExportedStateDict {
  readonly path: string;
  readonly bytes: number;
  readonly tensors: number;
}

/**
 * Writes weights and running statistics under PyTorch's names and nothing else, so that PyTorch loads the file strictly:
 * `torchvision.models.resnet50().load_state_dict(safetensors.torch.load_file(path))`. Masked weights are exact zeros. One tensor at a
 * time is read and written; the model must not change meanwhile. The file is replaced at once or not at all (see `writeFileAtomically`).
 * Throws IoError.
 */
export async function exportSafetensors(
  model: Classifier,
  path: string,
  options: ExportSafetensorsOptions = {},
): Promise<ExportedStateDict> {
  const tensors = [...weightsOf(model), ...batchCounts(model, options.batches ?? 0)];
  const metadata = {
    format: 'pt',
    model: model.name,
    classes: String(model.classes),
    density: densityOf(model.arena).density.toPrecision(6),
  };
  await writeSafetensors(path, tensors, metadata);
  return { path, bytes: (await stat(path)).size, tensors: tensors.length };
}

function weightsOf(model: Classifier): (NamedTensor | DeferredTensor)[] {
  const deferred = (
    name: string,
    shape: readonly number[],
    load: () => Promise<Float32Array<ArrayBuffer>>,
  ): DeferredTensor => ({
    name,
    dtype: 'F32',
    shape,
    load,
  });
  return [
    ...[...model.namedParameters()].map(([name, parameter]) =>
      deferred(name, parameter.shape, () => maskedValues(parameter)),
    ),
    ...[...model.namedBuffers()].map(([name, buffer]) => deferred(name, buffer.shape, () => bufferValues(buffer))),
  ];
}
