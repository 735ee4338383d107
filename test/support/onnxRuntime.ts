import { InferenceSession, Tensor } from 'onnxruntime-node';

/** The logits ONNX Runtime computes of images [N, channels, side, side], row-major. */
export async function runOnnx(path: string, images: Float32Array, side: number, channels = 3): Promise<Float32Array> {
  const session = await InferenceSession.create(path, { intraOpNumThreads: 2 });
  try {
    const shape = [images.length / (channels * side * side), channels, side, side];
    const { logits } = await session.run({ images: new Tensor('float32', images, shape) });
    return logits?.data as Float32Array;
  } finally {
    await session.release();
  }
}
