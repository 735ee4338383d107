export * from './binding.js';
export * from './errors.js';
export { loadCpu } from './loader.js';
