import type { NativeBinding } from './binding.js';
import { fromNative } from './errors.js';

type Native = (...args: unknown[]) => unknown;

const rethrow = (error: unknown): never => {
  throw fromNative(error);
};

/** The same functions, whose errors - thrown or rejected - are of the classes in errors.ts. */
export function withTypedErrors(binding: NativeBinding): NativeBinding {
  const wrapped: Record<string, Native> = {};
  for (const [name, call] of Object.entries(binding) as [string, Native][]) {
    wrapped[name] = (...args) => {
      try {
        const result = call(...args);
        return result instanceof Promise ? result.catch(rethrow) : result;
      } catch (error) {
        return rethrow(error);
      }
    };
  }
  return wrapped as unknown as NativeBinding;
}
