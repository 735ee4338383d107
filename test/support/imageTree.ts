import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readSafetensors } from '@s2sam/core';
import { openImagePool } from '@s2sam/native';

const path = fileURLToPath(new URL('../../packages/data/test/golden/images.safetensors', import.meta.url));

/** Small JPEG files of different sizes, by name; such as a packed store keeps as they are. */
export async function smallJpegs(): Promise<Map<string, Uint8Array>> {
  const { tensors } = await readSafetensors(path);
  const files = [...tensors].filter(([name]) => name.endsWith('/file') && !/^(png|cmyk)/.test(name));
  return new Map(files.map(([name, { data }]) => [name.replace('/file', ''), data as Uint8Array]));
}

/** `root/train` and `root/val` with a folder per class; each has all small JPEGs, `copies` times for training. */
export async function writeImageTree(root: string, classes: number, copies: number): Promise<void> {
  const files = await smallJpegs();
  for (let label = 0; label < classes; label++) {
    for (const [split, count] of [
      ['train', copies],
      ['val', 1],
    ] as const) {
      const folder = join(root, split, `class${label}`);
      mkdirSync(folder, { recursive: true });
      for (let copy = 0; copy < count; copy++) {
        for (const [name, content] of files) writeFileSync(join(folder, `${name}-${copy}.jpg`), content);
      }
    }
  }
}

/** Whether images can be decoded: not where the addon was built without libjpeg-turbo. Tests that need it are skipped there. */
export const decodes = ((): boolean => {
  try {
    openImagePool(1).close();
    return true;
  } catch {
    return false;
  }
})();
