import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** Of the package onnxruntime-node, what is used here. */
interface OnnxRuntime {
  readonly InferenceSession: {
    create(path: string, options: { readonly intraOpNumThreads: number }): Promise<Session>;
  };
  readonly Tensor: new (type: 'float32', data: Float32Array, shape: readonly number[]) => unknown;
}

interface Session {
  run(inputs: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, { readonly data: Float32Array }>>>;
  release(): Promise<void>;
}

/** `npm test` puts it here: it is ten times as large as all other packages together, so it is not one of them. */
const entry = fileURLToPath(new URL('../../.tools/onnxruntime/node_modules/onnxruntime-node', import.meta.url));

/** Tests that need ONNX Runtime are skipped, and say so, where it could not be installed. */
export const hasOnnxRuntime = existsSync(entry);

/** The logits ONNX Runtime computes of images [N, channels, side, side], row-major. */
export async function runOnnx(path: string, images: Float32Array, side: number, channels = 3): Promise<Float32Array> {
  const { InferenceSession, Tensor } = createRequire(import.meta.url)(entry) as OnnxRuntime;
  const session = await InferenceSession.create(path, { intraOpNumThreads: 2 });
  try {
    const shape = [images.length / (channels * side * side), channels, side, side];
    const { logits } = await session.run({ images: new Tensor('float32', images, shape) });
    return logits?.data as Float32Array;
  } finally {
    await session.release();
  }
}
