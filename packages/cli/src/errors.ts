import { type ErrorCode, S2Error } from '@s2sam/core';

/**
 * Exit codes of the command: 0 done; 1 failed; 2 the command line or the configuration is wrong; 130 interrupted, everything saved.
 */
export const exitCodes = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

const usage: readonly ErrorCode[] = ['ERR_CONFIG', 'ERR_ARGUMENT'];

/** What a user reads of an error, and what the shell gets. The stack is shown on request only (S2SAM_DEBUG). */
export function describeError(error: unknown, debug: boolean): { text: string; exitCode: number } {
  const known = error instanceof S2Error;
  const message = error instanceof Error ? error.message : String(error);
  const code = known ? ` (${error.code})` : '';
  const stack = debug && error instanceof Error ? `\n${error.stack ?? ''}` : '';
  const hint = known || debug ? '' : '\nThis looks like a fault of s2sam; set S2SAM_DEBUG=1 to see where it happened.';
  const exitCode = known && usage.includes(error.code) ? exitCodes.usage : exitCodes.failed;
  return { text: `error: ${message}${code}${hint}${stack}`, exitCode };
}
