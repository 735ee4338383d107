import { constant, cosine, multiStep, type Optimizer, type Schedule, s2sam, sam, sgd } from '@s2sam/core';
import type { Config } from '../config/schema.js';

function schedule({ schedule, lr, warmupEpochs, endLr, milestones, gamma }: Config['optimizer']): Schedule {
  switch (schedule) {
    case 'cosine':
      return cosine(lr, { warmupEpochs, end: endLr });
    case 'multistep':
      return multiStep(lr, { warmupEpochs, milestones, gamma });
    case 'constant':
      return constant(lr, { warmupEpochs });
  }
}

/** The update rule a configuration describes. */
export function makeOptimizer(config: Config['optimizer']): Optimizer {
  const { momentum, nesterov, weightDecay, decayWeightsOnly, maxGradNorm } = config;
  const base = sgd({ lr: schedule(config), momentum, nesterov, weightDecay, decayWeightsOnly, maxGradNorm });
  if (config.name === 'sgd') return base;
  const { rho, policy, adaptive, startEpoch } = config;
  return (config.name === 'sam' ? sam : s2sam)(base, { rho, policy, adaptive, startEpoch });
}
