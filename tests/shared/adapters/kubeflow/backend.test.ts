// The adapter against a scripted server: what it sends, and how every refusal and failure becomes one of our errors.
// What it does with a server that behaves is in tests/contracts/training-backend.suite.ts.
import { afterEach, describe, expect, it } from 'vitest';
import { type CloudServer, cutConnection, type Handler, serve } from '../../../../local/cloud/kit/server.ts';
import { createKubeflowBackend, type KubeflowOptions, runIdOf } from '../../../../shared/adapters/kubeflow/backend.ts';
import { compilePipeline } from '../../../../shared/adapters/kubeflow/ir.ts';
import type { JobSpec } from '../../../../shared/contracts/training.ts';

const servers: CloudServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

/** A backend over a scripted server; `seen` lists `METHOD path?query` of every call. */
async function over(handler: Handler, more: Partial<KubeflowOptions> = {}) {
  const seen: string[] = [];
  const sleeps: number[] = [];
  const server = await serve((request) => {
    const url = new URL(request.url);
    seen.push(`${request.method} ${url.pathname}${decodeURIComponent(url.search)}`);
    return handler(request);
  });
  servers.push(server);
  const backend = createKubeflowBackend({
    baseUrl: `${server.url}/pipeline/`,
    namespace: 'ml',
    experiment: 'sluice',
    getToken: async () => null,
    pollSettings: { intervalMs: 1_000, totalMs: 3_000 },
    now: () => Date.parse('2026-11-22T10:00:00Z'),
    sleep: async (ms) => void sleeps.push(ms),
    ...more,
  });
  return { backend, seen, sleeps, url: server.url };
}

const answer = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  new Response(typeof body === 'string' ? body : JSON.stringify(body), { status, headers });
const fault = (status: number, message = 'no', headers: Record<string, string> = {}) =>
  answer({ error: message, code: 5, message, details: [] }, status, headers);

const SIGNED = 'https://lake.example/data.csv?sig=TOPSECRETSIGNATURE';
const job: JobSpec = {
  name: 'train-ble-0123456789abcdef-a1',
  graph: 'ble-train',
  steps: [
    {
      name: 'train',
      image: `registry.example/t@sha256:${'a'.repeat(64)}`,
      command: ['run'],
      args: [{ parameter: 'url' }, { output: 'x' }],
      cpu: 1,
      memoryGiB: 1,
    },
  ],
  parameters: { url: SIGNED, epochs: 3 },
  inputs: {},
  exports: [],
  labels: { run: 'r1', pipeline: 'ble' },
};

/** A server that knows nothing and takes everything, with the route of `POST /runs` replaced. */
function empty(onCreate: (request: Request) => Promise<Response> | Response, onGet: () => Response = () => fault(404)): Handler {
  return (request) => {
    const { pathname } = new URL(request.url);
    const route = `${request.method} ${pathname.replace('/pipeline/apis/v2beta1', '')}`;
    if (route === 'POST /runs') return onCreate(request);
    if (route === `GET /runs/${runIdOf(job.name)}`) return onGet();
    if (route === 'GET /runs' || route === 'GET /experiments') return answer({});
    if (route === 'POST /experiments') return answer({ experiment_id: 'e1', display_name: 'sluice' });
    if (route.startsWith('GET /pipelines/names/')) return fault(404);
    if (route === 'POST /pipelines/upload') return answer({ pipeline_id: 'p1' });
    if (route === 'POST /pipelines/upload_version') return answer({ pipeline_version_id: 'v1' });
    if (route === 'GET /pipelines/p1/versions') return answer({});
    return fault(500, `unexpected ${route}`);
  };
}

describe('submitting', () => {
  it('looks by id, then by name, then creates once, with a pinned version and typed parameters', async () => {
    let sent: Record<string, unknown> = {};
    const { backend, seen } = await over(
      empty(async (request) => {
        sent = (await request.json()) as Record<string, unknown>;
        return answer({ run_id: sent['run_id'] });
      }),
      { pipelineRoot: 's3://bucket/root', runAs: 'runner' },
    );

    const submitted = await backend.submit(job);

    expect(submitted).toEqual({ jobId: runIdOf(job.name), adopted: false });
    expect(sent).toEqual({
      run_id: runIdOf(job.name),
      display_name: job.name,
      description: 'pipeline=ble\nrun=r1',
      experiment_id: 'e1',
      pipeline_version_reference: { pipeline_id: 'p1', pipeline_version_id: 'v1' },
      runtime_config: { parameters: { url: SIGNED, epochs: 3 }, pipeline_root: 's3://bucket/root' },
      service_account: 'runner',
    });
    expect(seen.map((line) => line.split(/[?]/)[0]?.replace('/pipeline/apis/v2beta1', ''))).toEqual([
      `GET /runs/${runIdOf(job.name)}`,
      'GET /experiments',
      'POST /experiments',
      'GET /runs',
      expect.stringMatching(/^GET \/pipelines\/names\/ble-train-[0-9a-f]{16}$/),
      'POST /pipelines/upload',
      'GET /pipelines/p1/versions',
      'POST /pipelines/upload_version',
      'POST /runs',
    ]);
    expect(seen.find((line) => line.startsWith('GET /pipeline/apis/v2beta1/runs?'))).toContain(
      `{"predicates":[{"operation":"EQUALS","key":"display_name","string_value":"${job.name}"}]}`,
    );
  });

  it('gives one id for one name, for ever', () => {
    expect(runIdOf('train-ble-0123456789abcdef-a1')).toBe('87f89a0e-bb88-56e6-96f7-422dbd99525b');
  });

  describe('looks first', () => {
    const compiled = compilePipeline(job);
    const existing = (run_id: string) => ({
      run_id,
      display_name: job.name,
      pipeline_version_reference: { pipeline_id: 'p1', pipeline_version_id: 'v1' },
    });
    const version = () => answer({ pipeline_version_id: 'v1', display_name: compiled.name, pipeline_spec: compiled.spec });
    const posts = (seen: string[]) => seen.filter((line) => line.startsWith('POST') && line.endsWith('/runs'));
    const knowing = (inner: Handler, routes: Record<string, () => Response>): Handler => {
      return (request) => {
        const route = `${request.method} ${new URL(request.url).pathname.replace('/pipeline/apis/v2beta1', '')}`;
        return routes[route]?.() ?? inner(request);
      };
    };

    it('by its own id: nothing else is asked or made', async () => {
      const id = runIdOf(job.name);
      const routes = { [`GET /runs/${id}`]: () => answer(existing(id)), 'GET /pipelines/p1/versions/v1': version };
      const { backend, seen } = await over(knowing(() => fault(500, 'nothing else'), routes));

      await expect(backend.submit(job)).resolves.toEqual({ jobId: id, adopted: true });
      expect(seen).toHaveLength(2);
    });

    it('by name, because a server may have ignored the id', async () => {
      const routes = { 'GET /runs': () => answer({ runs: [existing('theirs')] }), 'GET /pipelines/p1/versions/v1': version };
      const { backend, seen } = await over(
        knowing(
          empty(() => fault(500)),
          routes,
        ),
      );

      await expect(backend.submit(job)).resolves.toEqual({ jobId: 'theirs', adopted: true });
      expect(posts(seen)).toEqual([]);
    });

    it('never at the same time as another submission of the name: a second creation would start a second workflow', async () => {
      let created = false;
      const id = runIdOf(job.name);
      const onCreate = () => {
        created = true;
        return answer(existing(id));
      };
      const server = empty(onCreate, () => (created ? answer(existing(id)) : fault(404)));
      const { backend, seen } = await over(knowing(server, { 'GET /pipelines/p1/versions/v1': version }));

      const answers = await Promise.all([backend.submit(job), backend.submit(job), backend.submit(job)]);

      expect(answers.map(({ adopted }) => adopted)).toEqual([false, true, true]);
      expect(posts(seen)).toHaveLength(1);
    });

    it('a failed submission does not stop the one that waits for it', async () => {
      let turn = 0;
      const { backend } = await over(empty(() => ((turn += 1) === 1 ? fault(400, 'bad') : answer({ run_id: 'second' }))));

      const answers = await Promise.allSettled([backend.submit(job), backend.submit(job)]);

      expect(answers.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    });
  });

  it('takes the id that the server chose when it ignores ours', async () => {
    const { backend } = await over(empty(() => answer({ run_id: 'theirs' })));

    await expect(backend.submit(job)).resolves.toEqual({ jobId: 'theirs', adopted: false });
  });

  it.each([
    ['a cut connection', () => cutConnection()],
    ['a 500', () => fault(500)],
    ['a 503', () => fault(503)],
    ['a gateway page', () => answer('<html>bad gateway</html>', 502)],
  ])('never posts twice after %s: it looks until it must give up', async (_name, broken) => {
    let posts = 0;
    const { backend, sleeps } = await over(
      empty(() => {
        posts += 1;
        return broken();
      }),
    );

    await expect(backend.submit(job)).rejects.toMatchObject({ name: 'TransientError', code: 'submission-unknown' });

    expect(posts).toBe(1);
    expect(sleeps).toEqual([1_000, 1_000, 1_000]);
  });

  it('does not look for what was throttled: nothing was taken', async () => {
    const { backend, sleeps } = await over(empty(() => fault(429, 'slow down', { 'retry-after': '7' })));

    await expect(backend.submit(job)).rejects.toMatchObject({
      code: 'backend-throttled',
      message: expect.stringContaining('try again in 7 s') as string,
    });

    expect(sleeps).toEqual([]);
  });

  it('shows no parameter value, even when the server echoes it', async () => {
    const { backend } = await over(
      empty(() => fault(400, `parameter url: ${SIGNED} is not allowed; see https://other.example/x?token=OTHERSECRET`)),
    );

    const error = await backend.submit(job).catch((reason: unknown) => reason as Error);

    expect(error).toMatchObject({ code: 'backend-refused' });
    expect((error as Error).message).not.toMatch(/TOPSECRET|OTHERSECRET/);
  });
});

describe('refusals and failures of any call', () => {
  const jwt = `e30.${Buffer.from(JSON.stringify({ sub: 'system:serviceaccount:ml:sluice' })).toString('base64url')}.sig`;

  it.each([
    [
      '401',
      () => fault(401, 'token expired'),
      'RejectedError',
      'backend-forbidden',
      /"system:serviceaccount:ml:sluice".*pipelines\.kubeflow\.org/,
    ],
    ['403', () => fault(403, 'denied'), 'RejectedError', 'backend-forbidden', /kubeflow-pipelines-edit.*namespace "ml"/],
    [
      'the 400 of a forbidden upload',
      () => fault(400, 'User is not authorized with reason'),
      'RejectedError',
      'backend-forbidden',
      /kubeflow-pipelines-edit/,
    ],
    [
      'a redirect to a login page',
      () => answer('', 302, { location: 'https://dex.example/auth?state=S' }),
      'RejectedError',
      'backend-forbidden',
      /login page \(https:\/\/dex\.example\/auth\?<query removed>\)/,
    ],
    ['404 where nothing may be absent', () => fault(404), 'RejectedError', 'backend-refused', /404/],
    ['429 with seconds', () => fault(429, 'slow', { 'retry-after': '12' }), 'TransientError', 'backend-throttled', /try again in 12 s/],
    [
      '503 with a date',
      () => fault(503, 'down', { 'retry-after': 'Sun, 22 Nov 2026 10:00:30 GMT' }),
      'TransientError',
      'backend-failing',
      /try again in 30 s/,
    ],
    ['500', () => fault(500, 'boom'), 'TransientError', 'backend-failing', /boom/],
    ['a page instead of JSON', () => answer('<html>welcome</html>'), 'TransientError', 'backend-failing', /not JSON/],
    [
      'an answer of another shape',
      () => answer({ experiments: [{ display_name: 5 }] }),
      'RejectedError',
      'backend-answer-invalid',
      /experiments\.0/,
    ],
    ['a cut connection', () => cutConnection(), 'TransientError', 'backend-unreachable', /did not answer GET \/experiments/],
  ])('%s', async (_name, respond, kind, code, message) => {
    const { backend } = await over((request) => (request.url.endsWith('/healthz') ? answer({ tag_name: '2.17.0' }) : respond()), {
      getToken: async () => jwt,
    });

    await expect(backend.probe()).rejects.toMatchObject({ name: kind, code, message: expect.stringMatching(message) as string });
  });

  it('gives up on a silent server', async () => {
    const { backend } = await over(() => new Promise<Response>(() => undefined), { timeoutMs: 50 });

    await expect(backend.get('r')).rejects.toMatchObject({
      code: 'backend-unreachable',
      message: expect.stringContaining('within 0.05 s') as string,
    });
  });

  it('does not read an answer without end', async () => {
    const flood = () => new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1_000_000)) }));
    const { backend } = await over(flood);

    await expect(backend.get('r')).rejects.toMatchObject({
      code: 'backend-answer-invalid',
      message: expect.stringContaining('larger than') as string,
    });
  });

  it('sends the token as a bearer token, asks for a fresh one each time, and sends none when there is none', async () => {
    const sent: (string | null)[] = [];
    let turn = 0;
    const { backend } = await over(
      (request) => {
        sent.push(request.headers.get('authorization'));
        return answer({ run_id: 'r' });
      },
      { getToken: async () => ['one', 'two', null][turn++] ?? null },
    );

    for (const id of ['a', 'b', 'c']) await backend.get(id);

    expect(sent).toEqual(['Bearer one', 'Bearer two', null]);
  });

  it('names a CA file that cannot be read', () => {
    expect(() =>
      createKubeflowBackend({
        baseUrl: 'https://x',
        namespace: 'ml',
        experiment: 'e',
        getToken: async () => null,
        now: () => 0,
        sleep: async () => undefined,
        caFile: '/does/not/exist.pem',
      }),
    ).toThrow(/CA file of Kubeflow, \/does\/not\/exist\.pem/);
  });
});

describe('the rest', () => {
  it('escapes what it puts into a path', async () => {
    const { backend, seen } = await over(() => fault(404));

    await backend.get('../experiments?x=');

    expect(seen).toEqual(['GET /pipeline/apis/v2beta1/runs/..%2Fexperiments%3Fx%3D']);
  });

  it.each([400, 404])('a cancellation answered with %d has nothing left to do', async (status) => {
    const { backend, seen } = await over(() => fault(status, 'run is already finished'));

    await backend.cancel('r', 'deadline');

    expect(seen).toEqual(['POST /pipeline/apis/v2beta1/runs/r:terminate']);
  });

  it('leaves out the namespace for a single-user server', async () => {
    const { backend, seen } = await over((request) => answer(request.url.includes('healthz') ? { tag_name: '2.17.0' } : {}), {
      namespace: '',
    });

    await expect(backend.probe()).resolves.toEqual({ version: '2.17.0' });

    expect(seen[1]).toBe('GET /pipeline/apis/v2beta1/experiments?page_size=1');
  });

  it('gives the end of each log, cut between characters, and skips what has none', async () => {
    const tasks = [
      { display_name: 'train', pod_name: 'pod-1' },
      { display_name: 'train-driver', pod_name: 'pod-0' },
      { display_name: 'export', child_tasks: [{ pod_name: 'pod-2' }] },
      { display_name: 'gone', pod_name: 'pod-3' },
    ];
    const { backend } = await over((request) => {
      const { pathname } = new URL(request.url);
      if (pathname.endsWith('/nodes/pod-1/log')) return answer('x'.repeat(100_000) + 'äöü');
      if (pathname.endsWith('/nodes/pod-2/log')) return answer('done');
      if (pathname.includes('/nodes/')) return fault(404);
      return answer({ run_id: 'r', run_details: { task_details: tasks } });
    });

    await expect(backend.logs('r', 5)).resolves.toEqual([
      { step: 'train', text: 'öü' },
      { step: 'export', text: 'done' },
    ]);
  });

  it('gives no signature with a log, also of an address that the end of the log begins within', async () => {
    const log =
      'c01&sp=r&sig=HALFSIGNATURE&se=2026"\n"executor_input": {"manifest": "{\\"url\\":\\"' + SIGNED + '\\u0026se=2026\\"}"}\ntrained';
    const { backend } = await over((request) => {
      if (new URL(request.url).pathname.includes('/nodes/')) return answer(log);
      return answer({ run_id: 'r', run_details: { task_details: [{ display_name: 'fetch', pod_name: 'pod-1' }] } });
    });

    const [step] = await backend.logs('r', 10_000);

    expect(step?.text).toContain('https://lake.example/data.csv?<query removed>');
    expect(step?.text).toContain('trained');
    expect(step?.text).not.toContain('SIGNATURE');
  });
});
