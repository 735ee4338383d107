import { ConfigError } from '@s2sam/core';
import * as v from 'valibot';
import { settleSparsity } from '../sparsity/settle.js';
import { keys, nearest, sections } from './keys.js';
import type { Tree } from './overrides.js';
import { type Config, configSchema } from './schema.js';

const fail = (message: string): never => {
  throw new ConfigError(message, { op: 'config' });
};

const show = (value: unknown): string =>
  typeof value === 'number' || value === undefined ? String(value) : JSON.stringify(value);

function explain(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue) ?? '';
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    const close = nearest(path, [...keys.map((key) => key.path), ...sections]);
    const rest = close === undefined ? `known sections: ${sections.join(', ')}` : `did you mean ${close}?`;
    return `unknown key ${path}; ${rest}`;
  }
  if (issue.type === 'strict_object') {
    const inside = keys.filter((key) => key.path.startsWith(`${path}.`)).map((key) => key.path);
    return `${path} is ${show(issue.input)}; it is a section with the keys ${inside.join(', ')}`;
  }
  return `${path} is ${show(issue.input)}; allowed: ${issue.message}`;
}

function checkTogether({ model, train, optimizer }: v.InferOutput<typeof configSchema>): void {
  const lengths = (['epochs', 'steps', 'timeBudget'] as const).filter((key) => train[key] !== undefined);
  if (lengths.length !== 1) {
    const given =
      lengths.length === 0 ? 'no length is given' : `${lengths.map((key) => `train.${key}`).join(' and ')} are given`;
    fail(`${given}; give one of train.epochs, train.steps, train.timeBudget`);
  }
  if (model.skipClassifier && model.weights === undefined) {
    fail(
      'model.skipClassifier is true but model.weights is not given; name the file, or leave model.skipClassifier out',
    );
  }
  if (optimizer.schedule === 'multistep' && optimizer.milestones.length === 0) {
    fail('optimizer.milestones is empty; optimizer.schedule multistep needs epochs, e.g. [80, 120]');
  }
  if (optimizer.nesterov && optimizer.momentum === 0) {
    fail('optimizer.nesterov is true but optimizer.momentum is 0; give a momentum above 0');
  }
}

/** Checks a whole configuration and fills in the defaults. Throws ConfigError naming every wrong key. */
export function checkConfig(tree: Tree): Config {
  const result = v.safeParse(configSchema, tree);
  if (!result.success) return fail(result.issues.map(explain).join('\n'));
  checkTogether(result.output);
  return { ...result.output, sparsity: settleSparsity(result.output.sparsity) };
}
