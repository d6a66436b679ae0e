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

test('how pods of Kubeflow are made: the region may be that of AWS, and a longest wait holds with and without events', () => {
  const kubeflow = { KUBEFLOW_URL: 'http://kfp', KUBEFLOW_NAMESPACE: 'ml', KUBEFLOW_ENCLAVE_RESOURCE: 'sgx.intel.com/epc=512Mi' };
  const own = { KUBEFLOW_AWS_ROLE_ARN: 'arn:aws:iam::1:role/train', KUBEFLOW_RUNTIME_CLASS_LABEL: 'sluice/runtime-class' };
  const aws = { AWS_REGION: 'eu-central-1', SLUICE_AWS_ROLE_ARN: 'arn:aws:iam::1:role/serve', SLUICE_AWS_AUDIENCE: 'api://aws' };

  expect(loadConfig({ ...GOOD, ...kubeflow })).toMatchObject({ kubeflow: { aws: null, runtimeClassLabel: null } });
  expect(loadConfig({ ...GOOD, ...kubeflow, ...own, ...aws, SLUICE_POLL_MAX_SECONDS: '30' })).toMatchObject({
    kubeflow: {
      enclaveResource: { name: 'sgx.intel.com/epc', quantity: '512Mi' },
      runtimeClassLabel: 'sluice/runtime-class',
      aws: { roleArn: own.KUBEFLOW_AWS_ROLE_ARN, region: 'eu-central-1', audience: 'sts.amazonaws.com' },
    },
    poll: { maxSeconds: 30, maxHintedSeconds: 30 },
  });
  expect(loadConfig({ ...GOOD, SLUICE_STORE_EVENTS: 'true' })).toMatchObject({
    poll: { maxSeconds: 60, maxHintedSeconds: 600 },
    events: { store: true },
  });
  expect(problems({ ...kubeflow, KUBEFLOW_AWS_ROLE_ARN: own.KUBEFLOW_AWS_ROLE_ARN })[0]).toMatch(/^KUBEFLOW_AWS_REGION: /);
  for (const wrong of ['sgx.intel.com/epc', 'epc=512Mi', 'sgx.intel.com/epc=0', 'sgx.intel.com/epc=0.5', 'sgx.intel.com/epc=512m']) {
    expect(problems({ ...kubeflow, KUBEFLOW_ENCLAVE_RESOURCE: wrong })[0]).toMatch(/^KUBEFLOW_ENCLAVE_RESOURCE: expected NAME=QUANTITY/);
  }
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
      'KUBEFLOW_NAMESPACE',
      'Lake__blobServiceUri',
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
