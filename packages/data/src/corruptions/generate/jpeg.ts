import { openImagePool } from '@s2sam/native';
import type { Severity } from '../names.js';
import { SIDE, SIZE, toRows } from '../planes.js';
import { at, type BySeverity } from './pixels.js';

const QUALITY: BySeverity<number> = [80, 65, 58, 50, 40];

/** Images u8 [N][32][32][3] written as JPEG and read again, by libjpeg-turbo. Throws DeviceUnavailableError where that is missing. */
export async function jpegCompressed(images: Uint8Array, severity: Severity): Promise<Uint8Array> {
  const pool = openImagePool(1);
  try {
    const count = images.length / SIZE;
    const sources = Array.from({ length: count }, (_, i) => ({
      bytes: images.subarray(i * SIZE, (i + 1) * SIZE),
      width: SIDE,
      height: SIDE,
    }));
    const packed = await pool.pack({ sources, resolution: SIDE, quality: at(QUALITY, severity) });
    const files = packed.map((image) => {
      if ('message' in image) throw new Error(image.message);
      return { bytes: image.bytes };
    });
    const planes = new Uint8Array(images.length);
    const indices = Int32Array.from(files, (_, i) => i);
    await pool.read({ sources: files, indices, width: SIDE, height: SIDE, resize: 0, into: planes });
    return toRows(planes);
  } finally {
    pool.close();
  }
}
