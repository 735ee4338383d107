import { AsyncLocalStorage } from 'node:async_hooks';
import type { Tensor } from './tensor.js';

type Scope = Set<Tensor>;

const scopes = new AsyncLocalStorage<Scope | undefined>();

export const currentScope = (): Scope | undefined => scopes.getStore();

function* tensorsIn(value: unknown): Generator<Tensor> {
  if (value === null || typeof value !== 'object') return;
  if ('shape' in value && 'dispose' in value) yield value as Tensor;
  else if (Array.isArray(value)) for (const item of value) yield* tensorsIn(item);
  else if (Object.getPrototypeOf(value) === Object.prototype) {
    for (const item of Object.values(value)) yield* tensorsIn(item);
  }
}

function close<T>(scope: Scope, outer: Scope | undefined, result: T): T {
  const kept = new Set(tensorsIn(result));
  scopes.run(undefined, () => {
    for (const tensor of scope) if (!kept.has(tensor)) tensor.dispose();
  });
  if (outer !== undefined) for (const tensor of kept) if (scope.has(tensor)) outer.add(tensor);
  return result;
}

/**
 * Runs `body` and disposes every tensor made in it, save those in its result (a tensor, or arrays and plain objects of tensors),
 * which move to the enclosing scope or the caller. `body` may be async: the scope follows it across `await`.
 */
export function scope<T>(body: () => T): T {
  const outer = currentScope();
  const inner: Scope = new Set();
  let result: T;
  try {
    result = scopes.run(inner, body);
  } catch (error) {
    close(inner, outer, undefined);
    throw error;
  }
  if (!(result instanceof Promise)) return close(inner, outer, result);
  return result.then(
    (value: unknown) => close(inner, outer, value),
    (error: unknown) => {
      close(inner, outer, undefined);
      throw error;
    },
  ) as T;
}

/** Runs `body` outside any scope: tensors made in it are the caller's to dispose. */
export const unscoped = <T>(body: () => T): T => scopes.run(undefined, body);
