/** Height and width of CIFAR's images. */
export const SIDE = 32;
export const CHANNELS = 3;
/** Numbers of an image. */
export const SIZE = SIDE * SIDE * CHANNELS;

const PIXELS = SIDE * SIDE;

/** Calls back for every number of `count` images with its place in planes, [N, 3, 32, 32], and in rows, [N, 32, 32, 3]. */
function eachPlace(count: number, visit: (inPlanes: number, inRows: number) => void): void {
  for (let image = 0; image < count * SIZE; image += SIZE) {
    for (let pixel = 0; pixel < PIXELS; pixel++) {
      for (let channel = 0; channel < CHANNELS; channel++) {
        visit(image + channel * PIXELS + pixel, image + pixel * CHANNELS + channel);
      }
    }
  }
}

/** [N, 32, 32, 3] to [N, 3, 32, 32]. */
export function toPlanes(rows: Uint8Array): Uint8Array {
  const planes = new Uint8Array(rows.length);
  eachPlace(rows.length / SIZE, (inPlanes, inRows) => {
    planes[inPlanes] = rows[inRows] as number;
  });
  return planes;
}

/** [N, 3, 32, 32] to [N, 32, 32, 3]. */
export function toRows(planes: Uint8Array): Uint8Array {
  const rows = new Uint8Array(planes.length);
  eachPlace(planes.length / SIZE, (inPlanes, inRows) => {
    rows[inRows] = planes[inPlanes] as number;
  });
  return rows;
}
