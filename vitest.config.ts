import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    exclude: ['tests/e2e/**', 'node_modules/**'],
    globalSetup: ['tests/support/azurite.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // By default one core stays with the runner, which is half of a small machine; the files mostly wait for storage and processes.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // What is printed is compared without colours, also where CI asks for them.
    env: { NO_COLOR: '1', FORCE_COLOR: '0' },
  },
});
