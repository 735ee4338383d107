import { ArgumentError } from '../../errors.js';
import type { Classifier } from '../../models/classifier.js';
import { densityOf } from '../../sparsity/state.js';
import { positiveInteger } from '../../tensor/tensor.js';
import { writeAll, writeFileAtomically } from '../atomic.js';
import { encodeModel } from './encode.js';
import type { OnnxGraph } from './graph.js';
import { lower, type Normalization } from './lower.js';
import { sizeOf } from './protobuf.js';
import { traceOps } from './trace.js';

export type { Normalization } from './lower.js';

export interface ExportOnnxOptions {
  /** Height and width of the images. Default that of the images the model was made for: 224 for ImageNet, else 32. */
  readonly imageSize?: number;
  /** Write each batch norm that follows a convolution as part of it, computed in double precision. Default true. */
  readonly foldBatchNorm?: boolean;
  /** Given, the network takes images with values from 0 to 1 and normalises them first. Default: it takes normalised images. */
  readonly normalization?: Normalization;
}

/** What was written. */
export interface OnnxExport {
  readonly path: string;
  readonly bytes: number;
  /** Operators. */
  readonly nodes: number;
  /** Constants, by PyTorch's names of the parameters. */
  readonly initializers: number;
}

const op = 'exportOnnx';
/** No program reads longer protobuf messages. */
const MAX_BYTES = 2 ** 31 - 1;

/**
 * Writes a network as it is in evaluation to an ONNX file (opset 17): input `images` f32 [N, C, H, W] with any N, output `logits` f32
 * [N, classes]. Masked weights are exact zeros, folded or not. Any model of this library's convolutions, batch norms, linear layers,
 * pooling and elementwise ops can be written: the graph is what one forward pass does. Weights go to the file one by one, so beside the
 * network only its largest layer is held in memory; the model must not change meanwhile. The file is replaced at once or not at all
 * (see `writeFileAtomically`).
 *
 * Throws ArgumentError for options that do not fit and for ops that have no counterpart, ShapeError where the images are too small for
 * the model, and IoError.
 */
export async function exportOnnx(
  model: Classifier,
  path: string,
  options: ExportOnnxOptions = {},
): Promise<OnnxExport> {
  const graph = graphOf(model, options);
  const pieces = encodeModel(graph);
  const bytes = sizeOf(pieces);
  if (bytes > MAX_BYTES) {
    throw new ArgumentError(
      `${op}: ${model.name} would take ${bytes} bytes, and ONNX files hold at most ${MAX_BYTES}; export a smaller model`,
      { op },
    );
  }
  await writeFileAtomically(path, async (handle) => {
    for (const piece of pieces) await writeAll(handle, piece instanceof Uint8Array ? piece : await piece.load());
  });
  return { path, bytes, nodes: graph.nodes.length, initializers: graph.initializers.length };
}

function graphOf(model: Classifier, options: ExportOnnxOptions): OnnxGraph {
  const { name, classes, channels } = model;
  const { imageSize = model.imageSize, foldBatchNorm = true, normalization } = options;
  positiveInteger(op, 'imageSize', imageSize);
  if (normalization !== undefined) checkNormalization(normalization, channels);
  const [input, output] = ['images', 'logits'];
  const buffers = new Map([...model.namedBuffers()].map(([name, buffer]) => [buffer, name]));
  const trace = traceOps(model, [imageSize, imageSize]);
  const density = densityOf(model.arena).density.toPrecision(6);
  const expects = normalization === undefined ? 'normalised images' : 'images with values from 0 to 1';
  return {
    ...lower(trace, { input, output, foldBatchNorm, normalization, buffers }),
    name,
    doc: `${name} for ${classes} classes, density ${density}; takes ${expects}`,
    input: { name: input, shape: ['N', channels, imageSize, imageSize] },
    output: { name: output, shape: ['N', classes] },
    metadata: {
      model: name,
      classes: String(classes),
      density,
      batchNorm: foldBatchNorm ? 'folded' : 'kept',
      ...(normalization === undefined ? {} : { normalization: JSON.stringify(normalization) }),
    },
  };
}

function checkNormalization({ mean, std }: Normalization, channels: number): void {
  const fits = mean.length === channels && std.length === channels;
  if (fits && mean.every(Number.isFinite) && std.every((value) => Number.isFinite(value) && value > 0)) return;
  throw new ArgumentError(
    `${op}: the normalization has mean ${JSON.stringify(mean)} and std ${JSON.stringify(std)}; give ${channels} numbers of ` +
      'each, one per channel of the images, with std > 0',
    { op },
  );
}
