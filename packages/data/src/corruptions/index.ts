export { openCifarC } from './cifarC.js';
export {
  type GenerateOptions,
  type GenerateProgress,
  generateCifarC,
  generatedCorruptions,
} from './generate/generate.js';
export { type OpenTree, openImageNetC } from './imagenetC.js';
export * from './names.js';
export type { CifarName } from './note.js';
export { type OpenCorruptionsOptions, openCorruptions } from './open.js';
export type { CorruptionSource } from './source.js';
