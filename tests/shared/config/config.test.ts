// The environment as configuration: every problem at once, each by the name that a person can set, never a value.
import { describe, expect, test } from 'vitest';
import { loadConfig, SETTINGS } from '../../../shared/config/config.ts';
import { ConfigError } from '../../../shared/errors/errors.ts';

const GOOD = {
  Lake__blobServiceUri: 'https://lake.blob.core.windows.net',
  LandingEvents__queueServiceUri: 'https://lake.queue.core.windows.net',
  State__blobServiceUri: 'https://state.blob.core.windows.net',
  State__tableServiceUri: 'https://state.table.core.windows.net',
  SLUICE_LAKE_ACCOUNT: 'lake',
  SLUICE_LAKE_CONTAINER: 'data',
  SLUICE_TOKEN_ISSUER: 'https://login.example/v2.0',
  SLUICE_TOKEN_AUDIENCE: 'api://sluice',
  SLUICE_JWKS_URI: 'https://login.example/keys',
};

function problems(change: Record<string, string | undefined>): readonly string[] {
  try {
    loadConfig({ ...GOOD, ...change });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

test('the least that is needed', () => {
  expect(loadConfig(GOOD)).toMatchObject({ kubeflow: null, aws: null, azureml: null, topic: null, state: { container: 'sluice' } });
});

test('an empty text counts as not set', () => {
  expect(loadConfig({ ...GOOD, KUBEFLOW_URL: ' ', SLUICE_TOPIC_ENDPOINT: '' })).toMatchObject({ kubeflow: null, topic: null });
});

describe('a problem', () => {
  test('of each kind is told, not only the first', () => {
    const found = problems({
      Lake__blobServiceUri: undefined,
      KUBEFLOW_URL: 'http://kfp',
      SLUICE_JWKS_URI: 'nonsense',
      SLUICE_POLL_FIRST_SECONDS: 'x',
    });

    expect(found.map((problem) => problem.split(/[ :]/)[0])).toEqual([
      'Lake__blobServiceUri',
      'KUBEFLOW_NAMESPACE',
      'SLUICE_POLL_FIRST_SECONDS',
      'SLUICE_JWKS_URI',
    ]);
  });

  test.each([
    'Lake__blobServiceUri',
    'LandingEvents__queueServiceUri',
    'State__blobServiceUri',
    'State__tableServiceUri',
    'SLUICE_LAKE_ACCOUNT',
    'SLUICE_JWKS_URI',
    'SLUICE_TOPIC_ENDPOINT',
    'SLUICE_CLIENT_ID',
    'SLUICE_MEMORY_LIMIT_MB',
    'SLUICE_POLL_MAX_SECONDS',
  ])('of %s names it, and not its value', (name) => {
    const found = problems({ [name]: '!a secret value!' });

    expect(found).toHaveLength(1);
    expect(found[0]).toContain(name);
    expect(found[0]).not.toContain('secret');
    expect(SETTINGS.map((setting) => setting.name)).toContain(name);
  });

  test('of a group that is set by half says what the group is', () => {
    expect(problems({ AWS_REGION: 'eu-central-1' })).toEqual([
      'SLUICE_AWS_ROLE_ARN, SLUICE_AWS_AUDIENCE missing: the group AWS_REGION, SLUICE_AWS_ROLE_ARN, SLUICE_AWS_AUDIENCE is set wholly or not at all',
    ]);
  });
});
