// Lint rules. The determinism block keeps everything that Durable replays free of clocks, randomness, I/O and await.
import prettier from 'eslint-config-prettier';
import tseslint from 'typescript-eslint';

/** Rules for everything that Durable replays; tests/architecture.test.ts plants a fault for each. */
export const replaySafe = {
  'no-restricted-globals': [
    'error',
    ...[
      'fetch',
      'process',
      'crypto',
      'performance',
      'console',
      'setTimeout',
      'setInterval',
      'setImmediate',
      'queueMicrotask',
      'Buffer',
      'WeakRef',
      'FinalizationRegistry',
    ].map((name) => ({
      name,
      message: 'Not replay-safe: replay must give the same answer. Take the value from the input or from an activity.',
    })),
  ],
  'no-restricted-syntax': [
    'error',
    { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'Not replay-safe: use the engine clock (kit/time).' },
    { selector: "CallExpression[callee.name='Date']", message: 'Not replay-safe: use the engine clock (kit/time).' },
    { selector: "MemberExpression[object.name='Date'][property.name='now']", message: 'Not replay-safe: use the engine clock (kit/time).' },
    {
      selector: "MemberExpression[object.name='Math'][property.name='random']",
      message: 'Not replay-safe: derive the value from the input.',
    },
    { selector: 'AwaitExpression', message: 'Not replay-safe: orchestrations are sync generators; yield a task instead.' },
    { selector: ':function[async=true]', message: 'Not replay-safe: orchestrations are sync generators.' },
    { selector: 'MemberExpression[property.name=/^toLocale/]', message: "Not replay-safe: depends on the machine's locale." },
    {
      selector:
        'MemberExpression[property.name=/^(getFullYear|getMonth|getDate|getDay|getHours|getMinutes|getSeconds|getTimezoneOffset|setHours|setDate)$/]',
      message: "Not replay-safe: depends on the machine's time zone; use the UTC method.",
    },
  ],
  'no-restricted-imports': [
    'error',
    {
      patterns: [
        {
          regex: '^(node:|@azure/|@aws-sdk/|@duckdb/)|/(ports|adapters|clients|config|observability|functions|local|cli)/',
          message: 'Orchestrations and decisions know contracts, errors and decisions only.',
        },
      ],
    },
  ],
};

export default tseslint.config(
  { ignores: ['node_modules', 'dist', '.sluice', '.venv', 'coverage', '**/*.d.ts'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      eqeqeq: 'error',
      complexity: ['error', 20],
      'max-depth': ['error', 4],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    },
  },
  { files: ['orchestrations/**/*.ts', 'shared/decisions/**/*.ts'], rules: replaySafe },
  // The one exception of the architecture: a digest needs a hash function.
  { files: ['shared/decisions/digest.ts'], rules: { 'no-restricted-imports': 'off' } },
  prettier,
);
