/** Data sets: CIFAR-10 and CIFAR-100, images in files, made-up images to stand in for them, and noise to measure speed with. */
export { type CifarOptions, cifar10, cifar100 } from './cifar.js';
export * from './corruptions/index.js';
export type { DownloadOptions, DownloadProgress } from './download.js';
export { DatasetUnavailableError } from './errors.js';
export { imagenet } from './imagenet.js';
export { type ImagesDataset, type ImagesOptions, openImages } from './images/open.js';
export { type PackOptions, type PackProgress, type PackResult, pack } from './images/pack.js';
export type { CropRange } from './images/split.js';
export { STORE_ENDING, type StoreSummary, verifyStore } from './images/store.js';
export { type ChannelStatistics, normalizationOf } from './normalization.js';
export { type DatasetName, type OpenDatasetOptions, type OpenedDataset, openDataset } from './open.js';
export { type ProceduralOptions, proceduralImages } from './procedural.js';
export { type SyntheticOptions, syntheticImages } from './synthetic.js';
