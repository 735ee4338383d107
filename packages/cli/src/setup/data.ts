import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { type AnySplit, ConfigError, type DeviceKind, type ImageDataset } from '@s2sam/core';
import {
  type DownloadProgress,
  type ImagesDataset,
  imagenet,
  openDataset,
  openImages,
  type ProceduralOptions,
} from '@s2sam/data';
import type { Config } from '../config/schema.js';

type DataConfig = Config['data'];

const proceduralOptions = ({ classes, imageSize, trainImages, testImages }: DataConfig): ProceduralOptions => ({
  ...(classes === undefined ? {} : { classes }),
  ...(imageSize === undefined ? {} : { size: imageSize }),
  ...(trainImages === undefined ? {} : { train: trainImages }),
  ...(testImages === undefined ? {} : { test: testImages }),
});

/** One line per tenth of a download. */
function downloadLines(say: (line: string) => void): (progress: DownloadProgress) => void {
  let told = -1;
  return ({ file, receivedBytes, totalBytes }) => {
    const tenth = Math.floor((10 * receivedBytes) / (totalBytes ?? Number.POSITIVE_INFINITY));
    if (tenth <= told) return;
    told = tenth;
    say(`download  ${file}: ${Math.round(receivedBytes / 1e6)} of ${Math.round((totalBytes ?? 0) / 1e6)} MB`);
  };
}

/** Threads that decode images: a CPU that trains can spare little, a GPU must be fed. */
const decoders = (device: DeviceKind): number => (device === 'cpu' ? 1 : Math.min(16, availableParallelism()));

/** Opens images in files. */
async function openFiles(config: DataConfig, device: DeviceKind, say: (line: string) => void): Promise<ImagesDataset> {
  const { name, root, imageSize, resize, workers, broken, leastArea } = config;
  const options = {
    ...(imageSize === undefined ? {} : { imageSize }),
    ...(resize === undefined ? {} : { resize }),
    ...(leastArea === undefined ? {} : { crop: { area: [leastArea, 1] as const } }),
    workers: workers === 0 ? decoders(device) : workers,
    broken,
    onBroken: (file: string, reason: string) => say(`left out  ${file} ${reason}`),
  };
  if (name === 'imagenet') return await imagenet({ ...options, ...(root === undefined ? {} : { root }) });
  if (root !== undefined) return await openImages({ ...options, root });
  throw new ConfigError(
    'data.root is not given; data.name images needs the folder or the packed store of the images there',
    { op: 'config' },
  );
}

/** Opens the configured data set; `say` gets the progress of downloads, images left out, and whether the images are made up. */
export async function openData(
  config: DataConfig,
  device: DeviceKind,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<ImageDataset<AnySplit>> {
  const { name, root, download, fallback } = config;
  if (name === 'images' || name === 'imagenet') return await openFiles(config, device, say);
  const { dataset, notice } = await openDataset(name, {
    ...(root === undefined ? {} : { root }),
    download,
    fallback,
    procedural: proceduralOptions(config),
    signal,
    onProgress: downloadLines(say),
  });
  if (notice !== undefined) say(notice);
  return dataset;
}

/** Ends what reads the images, where they come from files. */
export function closeData(data: ImageDataset<AnySplit>): void {
  if (Symbol.dispose in data) (data as unknown as Disposable)[Symbol.dispose]();
}

/** The configuration of the data that was really opened: after a fallback, or from another folder, resuming must not find another set. */
export function settleData(config: DataConfig, { synthetic, classes }: ImageDataset<AnySplit>): DataConfig {
  const rooted = config.root === undefined ? config : { ...config, root: resolve(config.root) };
  return synthetic && config.name !== 'procedural' ? { ...rooted, name: 'procedural', classes } : rooted;
}
