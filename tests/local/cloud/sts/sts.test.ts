// The local STS, asked by the real AWS SDK clients: good tokens give credentials, bad ones the service's own errors.
// facts/sagemaker.md §3 is the source of the rules.
import { AssumeRoleWithWebIdentityCommand, GetCallerIdentityCommand, STSClient, type STSClientConfig } from '@aws-sdk/client-sts';
import { fromWebToken } from '@aws-sdk/credential-providers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAuthority } from '../../../../local/cloud/sts/authority.ts';
import { join } from 'node:path';
import { ACCOUNT_ID, REGION, roleArn, startAccount, SUBJECT, type TestAccount } from './account.ts';

let account: TestAccount;
beforeEach(async () => {
  account = await startAccount([
    { arn: roleArn('short'), subjects: [SUBJECT] },
    { arn: roleArn('for-caller-app'), subjects: [SUBJECT], audiences: ['caller-app'] },
  ]);
});
afterEach(async () => {
  await account.close();
});

function sts(credentials?: NonNullable<STSClientConfig['credentials']>): STSClient {
  return new STSClient({ region: REGION, endpoint: account.stsUrl, ...(credentials ? { credentials } : {}) });
}

function assume(token: string, more: Partial<ConstructorParameters<typeof AssumeRoleWithWebIdentityCommand>[0]> = {}) {
  return sts().send(
    new AssumeRoleWithWebIdentityCommand({ RoleArn: roleArn('promoter'), RoleSessionName: 'run-42', WebIdentityToken: token, ...more }),
  );
}

describe('AssumeRoleWithWebIdentity', () => {
  it('gives credentials with which the caller is the role session', async () => {
    const answer = await assume(await account.token(), { DurationSeconds: 900 });

    const { AccessKeyId = '', SecretAccessKey = '', SessionToken = '', Expiration } = answer.Credentials ?? {};
    const credentials = { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken };
    const caller = await sts(credentials).send(new GetCallerIdentityCommand({}));
    expect(caller.Arn).toBe(`arn:aws:sts::${ACCOUNT_ID}:assumed-role/promoter/run-42`);
    expect(caller.Account).toBe(ACCOUNT_ID);
    expect(answer.SubjectFromWebIdentityToken).toBe(SUBJECT);
    const lifeMs = (Expiration?.getTime() ?? 0) - account.clock.now();
    expect(lifeMs).toBeGreaterThan(0);
    expect(lifeMs).toBeLessThanOrEqual(900_000);
  });

  it('works through the credential provider that the product uses', async () => {
    const provider = async () =>
      fromWebToken({
        roleArn: roleArn('promoter'),
        roleSessionName: 'run-7',
        webIdentityToken: await account.token(),
        durationSeconds: 3_600,
        clientConfig: { region: REGION, endpoint: account.stsUrl },
      })();

    const caller = await sts(provider).send(new GetCallerIdentityCommand({}));

    expect(caller.Arn).toMatch(/assumed-role\/promoter\/run-7$/);
  });

  it.each([
    ['another key', {}, { otherKey: true }, 'InvalidIdentityTokenException', /signature/],
    [
      'another issuer',
      { iss: 'https://sts.windows.net/other/' },
      {},
      'InvalidIdentityTokenException',
      /No OpenIDConnect provider found.*other/,
    ],
    ['another audience', { aud: 'api://else' }, {}, 'InvalidIdentityTokenException', /Incorrect token audience/],
    ['an azp that is not registered, though aud is', { azp: 'stranger' }, {}, 'InvalidIdentityTokenException', /Incorrect token audience/],
    ['another subject', { sub: 'someone-else' }, {}, 'AccessDenied', /Not authorized to perform sts:AssumeRoleWithWebIdentity/],
    ['an expiry that has passed', {}, { expiresAt: 1_700_000_000 }, 'ExpiredTokenException', /Token expired/],
  ])('refuses a token with %s', async (_, claims, options, name, message) => {
    const token = await account.token(claims, options);

    await expect(assume(token)).rejects.toMatchObject({
      name,
      message: expect.stringMatching(message) as string,
      $metadata: { attempts: 1 },
    });
  });

  it('matches azp and not aud when both are there', async () => {
    const token = await account.token({ aud: 'some-app', azp: 'caller-app' });

    const answer = await assume(token, { RoleArn: roleArn('for-caller-app') });

    expect(answer.Audience).toBe('caller-app');
    await expect(assume(await account.token(), { RoleArn: roleArn('for-caller-app') })).rejects.toMatchObject({ name: 'AccessDenied' });
  });

  it('refuses an unsigned token', async () => {
    const [, body = ''] = (await account.token()).split('.');
    const header = Buffer.from('{"alg":"none"}').toString('base64url');

    await expect(assume(`${header}.${body}.`)).rejects.toMatchObject({ name: 'InvalidIdentityTokenException' });
  });

  it('says that the provider cannot be reached, and the SDK tries three times', async () => {
    const token = await account.token();
    await account.loseIssuer();

    await expect(assume(token)).rejects.toMatchObject({ name: 'IDPCommunicationErrorException', $metadata: { attempts: 3 } });
    expect(account.seen).toHaveLength(3);
  });

  it.each([
    [{ DurationSeconds: 899 }, /between 900 and 43200/],
    [{ DurationSeconds: 43_201 }, /between 900 and 43200/],
    [{ DurationSeconds: 3_601, RoleArn: roleArn('short') }, /exceeds the MaxSessionDuration/],
    [{ RoleSessionName: 'a b' }, /roleSessionName/],
  ])('refuses %j', async (more, message) => {
    await expect(assume(await account.token(), more)).rejects.toMatchObject({
      name: 'ValidationError',
      message: expect.stringMatching(message) as string,
    });
  });

  it('refuses a session policy of more than 2048 characters', async () => {
    await expect(assume(await account.token(), { Policy: 'x'.repeat(2_049) })).rejects.toMatchObject({
      name: 'ValidationError',
      message: expect.stringMatching(/2048/) as string,
    });
  });

  it.each([
    ['not JSON', '{'],
    [
      'a condition, which the subset does not know',
      '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{}}}',
    ],
  ])('refuses a session policy that is %s', async (_, policy) => {
    await expect(assume(await account.token(), { Policy: policy })).rejects.toMatchObject({ name: 'MalformedPolicyDocumentException' });
  });
});

describe('session credentials', () => {
  const identity = async (credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }) =>
    sts(credentials).send(new GetCallerIdentityCommand({}));

  it('are refused without token, with a changed token, and with another secret', async () => {
    const good = account.credentials();
    const { sessionToken: _, ...withoutToken } = good;
    const changed = `${good.sessionToken.slice(0, 10)}${good.sessionToken[10] === 'A' ? 'B' : 'A'}${good.sessionToken.slice(11)}`;

    await expect(identity(withoutToken)).rejects.toMatchObject({ name: 'InvalidClientTokenId' });
    await expect(identity({ ...good, sessionToken: changed })).rejects.toMatchObject({ name: 'InvalidClientTokenId' });
    await expect(identity({ ...good, secretAccessKey: 'guess' })).rejects.toMatchObject({ name: 'SignatureDoesNotMatch' });
    await expect(identity({ ...good, sessionToken: account.credentials().sessionToken })).rejects.toMatchObject({
      name: 'InvalidClientTokenId',
    });
  });

  it('expire', async () => {
    const credentials = account.credentials('promoter', undefined, 900);
    account.clock.advance(901_000);

    await expect(identity(credentials)).rejects.toMatchObject({ name: expect.stringMatching(/^ExpiredToken/) as string });
  });

  it('are still known after a restart of the account, and only to this account', () => {
    const { accessKeyId, sessionToken } = account.credentials();
    const open = (file: string) => createAuthority({ stateFile: join(account.folder, file) }).recognise(accessKeyId, sessionToken);

    expect(open('authority.json')).toMatchObject({ roleArn: roleArn('promoter') });
    expect(open('another.json')).toBe('bad-token');
  });
});
