import { defineConfig } from 'vitest/config';

// Whole stories on a real stack: one file after the other, because each starts processes of its own.
export default defineConfig({
  test: {
    include: ['tests/e2e/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    pool: 'forks',
    fileParallelism: false,
  },
});
