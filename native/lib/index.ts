export * from './binding.js';
export { type CudaDevice, type CudaLibrary, type CudaReport, inspectCuda } from './cuda/inspect.js';
export * from './errors.js';
export {
  type ImageBytes,
  type ImageFailure,
  type ImagePool,
  openImagePool,
  type PackedImage,
  type PackImages,
  type RandomCropSettings,
  type ReadImages,
} from './images.js';
export { loadCpu, loadCuda } from './loader.js';
