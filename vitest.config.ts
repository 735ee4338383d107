import { defineConfig } from 'vitest/config';

const TIMING = '**/*.timing.test.ts';

const common = {
  pool: 'forks' as const,
  testTimeout: 120_000,
  hookTimeout: 120_000,
  exclude: ['**/node_modules/**', '**/dist/**', '**/build/**', '**/.tools/**'],
};

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: 'tests',
          include: ['native/test/**/*.test.{ts,mjs}', 'packages/*/test/**/*.test.{ts,mjs}', 'test/**/*.test.{ts,mjs}'],
          exclude: [...common.exclude, TIMING],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Tests that watch the clock have the machine for themselves: after all others, one file at a time.
        test: { ...common, name: 'timing', include: [TIMING], maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
