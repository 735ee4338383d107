import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const TIMING = '**/*.timing.test.ts';

const common = {
  pool: 'forks' as const,
  testTimeout: 120_000,
  hookTimeout: 120_000,
  exclude: ['**/node_modules/**', '**/dist/**', '**/build/**', '**/.tools/**'],
};

/** The CUDA backend with its kernels run on the CPU, see native/test/emulated_cuda. */
const emulated = fileURLToPath(new URL('native/build/Emulated', import.meta.url));

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
        // The tests that are written once for every device, on the emulated CUDA device; but 20 steps of ResNet-32 take it too long.
        test: {
          ...common,
          name: 'emulated',
          include: ['test/parity/**/*.test.ts', 'test/training/{precision,streamed}.test.ts'],
          exclude: [...common.exclude, 'test/parity/resnet.test.ts'],
          env: {
            S2SAM_TEST_DEVICES: 'cuda',
            S2SAM_CUDA_BINARY: `${emulated}/s2sam_cuda.node`,
            S2SAM_CUDA_LIBS: emulated,
            S2SAM_CUDA_CONV: 'direct', // nothing to time here
            LD_LIBRARY_PATH: emulated,
          },
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // Tests that watch the clock have the machine for themselves: after all others, one file at a time.
        test: { ...common, name: 'timing', include: [TIMING], maxWorkers: 1, sequence: { groupOrder: 2 } },
      },
    ],
  },
});
