// Keyless AWS: one Entra token and one AssumeRole for all clients, renewed in time, and refusals that say what is wrong.
import { inspect } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { ListBucketsCommand } from '@aws-sdk/client-s3';
import { type AwsSettings, createAwsClients } from '../../../shared/clients/aws.ts';
import { createCredential } from '../../../shared/clients/entra.ts';
import { AUDIENCE, IDENTITY, type LocalAws, REGION, ROLE, startLocalAws } from './local-aws.ts';

let aws: LocalAws;
beforeAll(async () => {
  aws = await startLocalAws();
});
beforeEach(() => {
  aws.clock.set(Date.now());
  aws.seen.sts.length = 0;
});
afterAll(() => aws.close());

const clients = (more: Partial<AwsSettings> = {}) =>
  createAwsClients({
    roleArn: ROLE,
    audience: AUDIENCE,
    sessionName: 'sluice-test',
    region: REGION,
    getToken: createCredential({ clientId: IDENTITY.clientId }).getToken,
    now: () => aws.clock.now(),
    ...more,
  });
const whoAmI = async (made: ReturnType<typeof clients>, region = REGION) => (await made.sts(region)).send(new GetCallerIdentityCommand({}));

describe('credentials', () => {
  it('come from the managed identity: no key anywhere', async () => {
    const caller = await whoAmI(clients());

    expect(caller.Arn).toBe('arn:aws:sts::123456789012:assumed-role/promoter/sluice-test');
    expect(aws.seen.sts).toEqual(['AssumeRoleWithWebIdentity', 'GetCallerIdentity']);
  });

  it('are fetched once for all clients, regions and concurrent calls', async () => {
    const made = clients();

    await Promise.all([
      whoAmI(made),
      whoAmI(made, 'us-east-1').catch(() => undefined),
      made.s3(REGION).then((client) => client.send(new ListBucketsCommand({}))),
      made.s3('us-east-1').then((client) => client.config.credentials()),
      made.sagemaker(REGION).then((client) => client.config.credentials()),
      made.runtime(REGION).then((client) => client.config.credentials()),
    ]);

    expect(aws.seen.sts.filter((action) => action === 'AssumeRoleWithWebIdentity')).toHaveLength(1);
  });

  it('are renewed with a fresh token when less than twenty minutes are left', async () => {
    const made = clients();
    await made.s3Lasting(REGION, 60);
    aws.clock.advance(39 * 60_000);
    await made.s3Lasting(REGION, 60);
    expect(aws.seen.sts).toHaveLength(1);
    aws.clock.advance(2 * 60_000);

    await made.s3Lasting(REGION, 60);

    expect(aws.seen.sts).toHaveLength(2);
  });

  it('are renewed early for a URL that must outlive them, and refused when they never can', async () => {
    const made = clients();
    await made.s3Lasting(REGION, 900);
    aws.clock.advance(20 * 60_000);

    const client = await made.s3Lasting(REGION, 3_000);

    expect(aws.seen.sts).toHaveLength(2);
    const { expiration } = await client.config.credentials();
    expect((expiration?.getTime() ?? 0) - aws.clock.now()).toBeGreaterThanOrEqual(3_000_000);
    await expect(made.s3Lasting(REGION, 7_200)).rejects.toMatchObject({
      code: 'session-too-short',
      message: expect.stringContaining('7200 s') as string,
    });
  });

  it.each([
    ['another audience than the role trusts', { audience: 'https://management.azure.com' }, /sub.*aud/],
    ['a role that does not exist', { roleArn: 'arn:aws:iam::123456789012:role/nobody' }, /role\/nobody/],
  ])('are refused for good: %s', async (_name, more, message) => {
    await expect(clients(more).s3Lasting(REGION, 60)).rejects.toMatchObject({
      name: 'RejectedError',
      code: 'role-refused',
      message: expect.stringMatching(message) as string,
    });
  });

  it('try again after a failure: nothing broken is remembered', async () => {
    const made = clients();
    aws.stsFaults.add({ match: { method: 'POST' }, action: 'status', status: 503, times: 3 });

    await expect(made.s3Lasting(REGION, 60)).rejects.toMatchObject({ name: 'TransientError', code: 'sts-unavailable' });
    await expect(made.s3Lasting(REGION, 60)).resolves.toBeDefined();
  });

  it('never put the token into an error, not even into its cause', async () => {
    const error = await clients({ getToken: async () => 'SECRETTOKEN.abc.def' })
      .s3Lasting(REGION, 60)
      .catch((reason: unknown) => reason as Error);

    expect(error).toMatchObject({ name: 'RejectedError' });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('SECRETTOKEN');
  });
});

describe('clients', () => {
  it('have explicit timeouts that are errors, not warnings', async () => {
    const made = clients();
    const s3 = await made.s3(REGION);
    await s3.send(new ListBucketsCommand({}));

    const handler = s3.config.requestHandler as unknown as { httpHandlerConfigs: () => unknown };
    expect(handler.httpHandlerConfigs()).toMatchObject({
      connectionTimeout: 5_000,
      requestTimeout: 30_000,
      throwOnRequestTimeout: true,
    });
  });
});
