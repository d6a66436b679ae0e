// `why`: the whole chain from either end, and nothing that was not asked for.
import { describe, expect, it } from 'vitest';
import type { Explanation } from '../../../../shared/contracts/http-api.ts';
import type { Run } from '../../../../shared/contracts/runs.ts';
import { whySubject } from '../../../../shared/decisions/why-subject.ts';
import { digest, entryOf, headOf, minute, modelOf, placeOf, promotionOf, runOf, servingOf } from '../../../contracts/samples.ts';
import { createApi } from './harness.ts';

const place = placeOf('bronze/ble-location/day1.csv');
const entry = entryOf(place, 'one');
const stray = entryOf(placeOf('elsewhere/x.csv'), 'stray', {
  pipeline: null,
  verdict: { kind: 'ignored', rule: 'no-pipeline', reason: 'nobody lands data here', evidence: {} },
});
const refine = runOf('refine', 'r', { cause: { kind: 'event', ref: entry.entryId } });
const model = modelOf('m', { runId: runOf('train', 't').runId });
const endpoint = 'sagemaker/eu-central-1/ble-location-dev';
const trained = {
  goldTable: 'training',
  goldVersion: 1,
  goldDigest: digest('g'),
  specDigest: digest('s'),
  metrics: {},
  gates: [],
  modelDigest: model.modelDigest,
  archiveSha256: digest('a'),
  archiveBytes: 1,
};
const promote = runOf('promote', 'p', {
  cause: { kind: 'run', ref: runOf('train', 't').runId },
  input: { environment: 'dev', modelDigest: model.modelDigest },
});
const train = runOf('train', 't', { cause: { kind: 'run', ref: refine.runId }, trained, next: [promote.runId] });
const promoted: Run['promoted'] = {
  environment: 'dev',
  target: 'indoor',
  endpoint: 'ble-location-dev',
  region: 'eu-central-1',
  modelDigest: model.modelDigest,
  artifactUri: 's3://b/k',
  modelName: 'm',
  configName: 'c',
  previousConfig: null,
  parity: { rowsChecked: 1, rowsAgreeing: 1, worst: null },
};

/** The whole story of one file, and one event that came to nothing. */
async function told() {
  const api = createApi();
  const { ledger, runs, models, promotions, serving } = api.deps;
  await ledger.record(place, entry, headOf(entry), null);
  await ledger.amend(place, entry.entryId, { runId: refine.runId });
  await ledger.record(placeOf('elsewhere/x.csv'), stray, null, null);
  await runs.open({ ...refine, next: [train.runId] });
  await runs.open(train);
  await runs.open({ ...promote, promoted });
  await models.register(model);
  await promotions.record(promotionOf('p', { promotionId: promote.runId, modelDigest: model.modelDigest }));
  await serving.record(servingOf('m', { modelDigest: model.modelDigest, promotionId: promote.runId }));
  const why = async (subject: string, token = 'rita/reader') => {
    const reply = await api.send('GET', `why?subject=${encodeURIComponent(subject)}`, { token });
    return { status: reply.status, told: reply.body as Explanation };
  };
  return { ...api, why };
}

const chain = ({ links }: Explanation) => links.map(({ from, as, to }) => `${from.kind} ${as} ${to.kind}`).sort();
const WHOLE = ['event became-data-of run', 'model promoted-by run', 'run led-to run', 'run made model', 'run now-serves-at endpoint'];

describe('the whole chain', () => {
  it.each([
    ['a path', 'lake/data/bronze/ble-location/day1.csv', 'event'],
    ['a path below the container', 'data/bronze/ble-location/day1.csv', 'event'],
    ['a path inside the container', '/bronze/ble-location/day1.csv', 'event'],
    ['a URL', 'https://lake.blob.core.windows.net/data/bronze/ble%2Dlocation/day1.csv', 'event'],
    ['a ledger entry', entry.entryId, 'event'],
    ['the refine run', refine.runId, 'run'],
    ['the train run', train.runId, 'run'],
    ['the promote run', promote.runId, 'run'],
    ['the model', model.modelDigest, 'model'],
    ['the beginning of its digest', model.modelDigest.slice(0, 8), 'model'],
    ['the endpoint', endpoint, 'endpoint'],
    ['the name of the endpoint', 'ble-location-dev', 'endpoint'],
  ])('is told from %s', async (_, subject, kind) => {
    const { why } = await told();

    const { status, told: answer } = await why(subject);

    expect(status).toBe(200);
    expect(chain(answer)).toEqual(WHOLE);
    expect(answer.subject).toMatchObject([{ kind }]);
    expect(answer).toMatchObject({
      events: [{ entryId: entry.entryId, verdict: { kind: 'accepted' } }],
      models: [{ modelDigest: model.modelDigest }],
      endpoints: [{ endpoint }],
      truncated: false,
    });
    expect(answer.runs.map((run) => run.runId).sort()).toEqual([refine.runId, train.runId, promote.runId].sort());
  });
});

it('tells of an event that came to nothing, with its verdict', async () => {
  const { why } = await told();

  const { told: answer } = await why('elsewhere/x.csv');

  expect(answer).toMatchObject({
    links: [],
    runs: [],
    events: [{ verdict: { kind: 'ignored', reason: 'nobody lands data here', evidence: {} } }],
  });
});

it('leaves out what else a cause led to', async () => {
  const api = await told();
  const other = runOf('train', 'other', { cause: { kind: 'run', ref: refine.runId } });
  await api.deps.runs.open(other);
  await api.deps.runs.patch(refine.pipeline, refine.runId, { next: [other.runId] });

  const { told: fromEndpoint } = await api.why(endpoint);
  const { told: fromPath } = await api.why('bronze/ble-location/day1.csv');

  expect(fromEndpoint.runs.map((run) => run.runId)).not.toContain(other.runId);
  expect(fromPath.runs.map((run) => run.runId)).toContain(other.runId);
});

it('joins the attempts of one work', async () => {
  const api = await told();
  await api.deps.runs.open(runOf('refine', 'r', { attempt: 2 }));

  const { told: down } = await api.why('bronze/ble-location/day1.csv');
  const { told: up } = await api.why(runOf('refine', 'r', { attempt: 2 }).runId);

  expect(chain(down)).toContain('run retried-as run');
  expect(up.events.map((event) => event.entryId)).toEqual([entry.entryId]);
});

it('tells all events of a blob that was written again', async () => {
  const api = await told();
  const second = entryOf(place, 'two', {
    receivedAt: minute(3),
    verdict: { kind: 'duplicate', rule: 'same-etag', reason: 'the same', evidence: {} },
  });
  const { version } = await api.deps.ledger.look(place, second.entryId);
  await api.deps.ledger.record(place, second, null, version);

  const { told: answer } = await api.why('bronze/ble-location/day1.csv');

  expect(answer.subject.map(({ ref }) => ref)).toEqual([entry.entryId, second.entryId]);
});

it('shows a narrowed reader only what is of their pipeline', async () => {
  const { why } = await told();

  expect((await why(entry.entryId, 'rita/reader:other')).status).toBe(404);
  expect((await why(stray.entryId, 'rita/reader:ble-location')).status).toBe(404);
  expect((await why(stray.entryId, 'rita/reader')).status).toBe(200);
  expect((await why(entry.entryId, 'rita/reader:ble-location')).status).toBe(200);
});

it.each([
  'nothing/here.csv',
  'e-00000000000000000000000000000000',
  'train-none-0123456789abcdef-a1',
  '../../etc/passwd',
  'sagemaker/x/y',
  "'; drop",
  'deadbeef',
])('knows nothing about %j and says what can be asked', async (subject) => {
  const { why } = await told();

  const { status, told: problem } = await why(subject);

  expect(status).toBe(404);
  expect(['subject-unknown', 'model-unknown']).toContain((problem as unknown as { code: string }).code);
});

it('stops at 200 things and says so', async () => {
  const api = await told();
  const others = Array.from({ length: 250 }, (_, n) => runOf('train', `many-${n}`));
  for (const run of others) await api.deps.runs.open(run);
  await api.deps.runs.patch(refine.pipeline, refine.runId, { next: others.map((run) => run.runId) });

  const { told: answer } = await api.why(refine.runId);

  expect(answer.truncated).toBe(true);
  expect(answer.runs.length + answer.events.length + answer.models.length + answer.endpoints.length).toBe(200);
});

describe('events over HTTP', () => {
  it('are listed newest first, page by page, and by path', async () => {
    const { send } = await told();

    const first = (await send('GET', 'events?limit=1')).body as { items: unknown[]; next: string };
    const second = await send('GET', `events?limit=1&after=${encodeURIComponent(first.next)}`);

    expect([...first.items, ...(second.body as { items: unknown[] }).items]).toHaveLength(2);
    expect(await send('GET', `events/by-path?path=${encodeURIComponent(place.path)}`)).toMatchObject({
      body: { items: [{ entryId: entry.entryId, runId: refine.runId }] },
    });
    expect(await send('GET', 'events/by-path?path=x&container=other-one')).toMatchObject({ body: { items: [] } });
    expect(await send('GET', 'events/by-path')).toMatchObject({ status: 400 });
    expect(await send('GET', 'events', { token: 'rita/reader:ble-location' })).toMatchObject({
      body: { items: [{ pipeline: 'ble-location' }] },
    });
  });
});

it('reads a subject by its form', () => {
  const lake = { account: 'lake', container: 'data' };

  expect(whySubject('lake/data/a/b', lake)).toEqual({
    kind: 'path',
    places: [
      { ...lake, path: 'a/b' },
      { ...lake, path: 'lake/data/a/b' },
    ],
  });
  expect(whySubject('lake/other/a/b', lake).kind).toBe('path');
  expect(whySubject('https://x.blob.core.windows.net/c/p%2', lake)).toMatchObject({
    kind: 'path',
    places: expect.arrayContaining([]) as unknown,
  });
  expect(whySubject('ABCDEF0123', lake)).toMatchObject({ kind: 'endpoint-name' });
});
