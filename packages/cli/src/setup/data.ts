import type { ImageDataset } from '@s2sam/core';
import { type DownloadProgress, openDataset, type ProceduralOptions } from '@s2sam/data';
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

/** Opens the configured data set; `say` gets the progress of downloads and whether the images are made up. */
export async function openData(
  config: DataConfig,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<ImageDataset> {
  const { name, root, download, fallback } = config;
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

/** The configuration of the data that was really opened: after a fallback, resuming must not find another set. */
export function settleData(config: DataConfig, { synthetic, classes }: ImageDataset): DataConfig {
  return synthetic && config.name !== 'procedural' ? { ...config, name: 'procedural', classes } : config;
}
