/** Mask strategies, and the layouts and layer rules they are combined with. */
export { type ErdosRenyiOptions, er, erk, type UniformOptions, uniform } from './layouts.js';
export { type LayerRule, type LayerShape, rules } from './rules.js';
export { type StaticRandomOptions, staticRandom } from './static.js';
