export * from './binding.js';
export { type CudaDevice, type CudaLibrary, type CudaReport, inspectCuda } from './cuda/inspect.js';
export * from './errors.js';
export { loadCpu, loadCuda } from './loader.js';
