// Status, whoami, the description of the API, and the table of routes.
import { describe, expect, it } from 'vitest';
import { RejectedError, TransientError } from '../../../../shared/errors/errors.ts';
import { createApi } from './harness.ts';

describe('status', () => {
  it('is ok when every configured part answers', async () => {
    const api = createApi({
      probes: [
        { name: 'tables', check: async () => 1 },
        { name: 'workspace', check: null },
      ],
      queueDepth: async () => 7,
    });

    expect((await api.send('GET', 'status', { token: 'rita/reader' })).body).toEqual({
      state: 'ok',
      components: [
        { name: 'tables', state: 'ok', reason: null },
        { name: 'workspace', state: 'not-configured', reason: null },
      ],
      queueDepth: 7,
    });
  });

  it('names each part that fails and why, but never what a vendor said', async () => {
    const fails = (error: Error) => () => Promise.reject(error);
    const api = createApi({
      probes: [
        { name: 'lake', check: fails(new TransientError('lake-unreachable', 'no answer')) },
        { name: 'sagemaker', check: fails(new RejectedError('platform-forbidden', 'the role is refused')) },
        { name: 'kubeflow', check: fails(new Error('https://10.0.0.1 token abc')) },
      ],
      queueDepth: fails(new Error('gone')),
    });

    const reply = await api.send('GET', 'status');

    expect(reply.body).toMatchObject({
      state: 'failing',
      components: [
        { name: 'lake', state: 'failing', reason: 'lake-unreachable: no answer' },
        { name: 'sagemaker', reason: 'platform-forbidden: the role is refused' },
        { name: 'kubeflow', reason: expect.not.stringContaining('10.0.0.1') as string },
      ],
      queueDepth: null,
    });
  });
});

describe('routes', () => {
  it('are unique, named after their operation, and below v1', () => {
    const { routes } = createApi();

    expect(new Set(routes.map(({ name }) => name)).size).toBe(routes.length);
    expect(new Set(routes.map(({ method, route }) => `${method} ${route}`)).size).toBe(routes.length);
    expect(routes.map(({ route }) => route).every((route) => route.startsWith('v1/'))).toBe(true);
    expect(routes.find(({ name }) => name === 'api-request-promotion')).toMatchObject({
      method: 'POST',
      route: 'v1/promotions',
      role: 'operator',
      durable: true,
    });
  });

  it('that change something need more than a reader', () => {
    const changing = createApi().routes.filter(({ method }) => method !== 'GET');

    expect(changing.filter(({ role }) => role === 'reader' || role === 'anyone' || role === 'anonymous').map(({ name }) => name)).toEqual(
      [],
    );
    expect(changing.filter(({ role }) => role !== 'operator').map(({ name, role }) => `${name} ${role}`)).toEqual([
      'api-top-up-run approver',
    ]);
  });
});
