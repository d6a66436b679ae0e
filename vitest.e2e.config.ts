import { defineConfig } from 'vitest/config';

// Whole stories on a real stack: each file starts processes of its own and mostly waits for them, so two files share the machine.
export default defineConfig({
  test: {
    include: ['tests/e2e/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
