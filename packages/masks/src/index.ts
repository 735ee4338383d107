/** Mask strategies, and the layouts, rankings, layer rules and schedules they are combined with. */
export { type Anneal, anneal } from './anneal.js';
export type { GroupChoice } from './channels.js';
export { type ChaseOptions, chase } from './chase.js';
export { type ChexOptions, chex } from './chex.js';
export { adaptThreshold, type DsrOptions, type DsrPeriod, dsr } from './dsr.js';
export { type GradualMagnitudeOptions, gradualMagnitude } from './gradual.js';
export { type GraspOptions, grasp } from './grasp.js';
export { type ErdosRenyiOptions, er, erk, type UniformOptions, uniform } from './layouts.js';
export { type LotteryTicketOptions, lotteryRounds, lotteryTicket, roundsTo } from './lotteryTicket.js';
export {
  elasticMutation,
  type MestNetwork,
  type MestOptions,
  type MestStage,
  meanDensity,
  mest,
  softMemoryBound,
} from './mest.js';
export { type GlobalOptions, type GlobalRanking, global, type Ranking } from './ranking.js';
export type { Redraw } from './redraw.js';
export { type RiglOptions, rigl } from './rigl.js';
export { type LayerRule, type LayerShape, rules } from './rules.js';
export { type SetOptions, set } from './set.js';
export { type SnfsOptions, snfs } from './snfs.js';
export { type SnipOptions, snip, snipOriginal } from './snip.js';
export { type StaticRandomOptions, staticRandom } from './static.js';
export type { UpdateTimes } from './times.js';
