// The managed identity: tokens for what it may have, and two kinds of "no".
// The identity library caches tokens by audience for the whole process, so each test asks for another one.
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cutConnection } from '../../../local/cloud/kit/server.ts';
import { createCredential } from '../../../shared/clients/entra.ts';
import { AUDIENCE, IDENTITY, type LocalAws, startLocalAws } from './local-aws.ts';

let aws: LocalAws;
beforeAll(async () => {
  aws = await startLocalAws();
});
afterAll(() => aws.close());

describe('managed identity', () => {
  it('gives a token for an application id URI, and keeps it', async () => {
    const entra = createCredential({ clientId: IDENTITY.clientId });

    const token = await entra.getToken(AUDIENCE);
    const again = await entra.getToken(`${AUDIENCE}/`);

    expect(decodeJwt(token)).toMatchObject({ sub: IDENTITY.objectId, aud: AUDIENCE });
    expect(again).toBe(token);
    expect(aws.seen.identity.filter((resource) => resource === AUDIENCE)).toHaveLength(1);
  });

  it('is a credential for Azure SDK clients', async () => {
    const { credential } = createCredential({ clientId: null });

    const token = await credential.getToken('https://management.azure.com/.default');

    expect(decodeJwt(token?.token ?? '')).toMatchObject({ aud: 'https://management.azure.com' });
  });

  it.each([
    ['the identity is another one', '00000000-0000-4000-8000-000000000000', 'https://storage.azure.com'],
    ['the audience is unknown to the tenant', IDENTITY.clientId, 'api://nobody'],
  ])('is refused for good when %s', async (_name, clientId, audience) => {
    const { getToken } = createCredential({ clientId });

    await expect(getToken(audience)).rejects.toMatchObject({
      name: 'RejectedError',
      code: 'identity-refused',
      message: expect.stringContaining(audience) as string,
    });
  });

  it.each([
    ['cuts the connection', 'api://cut', () => cutConnection(), /could not be asked/],
    ['fails', 'api://failing', () => new Response('{"statusCode":500,"message":"internal"}', { status: 500 }), /could not be asked/],
    ['is silent', 'api://silent', () => new Promise<Response>(() => undefined), /within 0\.4 s/],
  ])('is unavailable for now when the endpoint %s', async (_name, audience, handler, message) => {
    aws.answerIdentity(handler);
    const timeoutMs = audience === 'api://silent' ? 400 : 20_000;

    await expect(createCredential({ clientId: null, timeoutMs }).getToken(audience)).rejects.toMatchObject({
      name: 'TransientError',
      code: 'identity-unavailable',
      message: expect.stringMatching(message) as string,
    });

    aws.answerIdentity(undefined);
  });
});
