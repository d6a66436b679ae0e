// `why`: the whole chain from either end, and nothing that was not asked for.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { MemoryStore } from '../../../../shared/adapters/memory/store.ts';
import type { Explanation } from '../../../../shared/contracts/http-api.ts';
import type { Run } from '../../../../shared/contracts/runs.ts';
import { addMember, closeWindow, windowIdOf } from '../../../../shared/decisions/window.ts';
import { whySubject } from '../../../../shared/decisions/why-subject.ts';
import {
  digest,
  entryOf,
  headOf,
  memberOf,
  minute,
  modelOf,
  placeOf,
  promotionOf,
  runOf,
  servingOf,
  versionOf,
} from '../../../contracts/samples.ts';
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

describe('what a person can do', () => {
  const heldBy = (rule: string, kind: 'refused' | 'over-budget' | 'late' | 'loop', more: object = {}) =>
    entryOf(place, rule, { verdict: { kind, rule, reason: 'because', evidence: more as never } });

  it.each([
    [heldBy('frozen', 'refused', { pipeline: null }), ['sluice pipelines unfreeze --all', 'sluice replay']],
    [heldBy('frozen', 'refused', { pipeline: 'ble-location' }), ['sluice pipelines unfreeze ble-location', 'sluice replay']],
    [heldBy('breaker-open', 'over-budget'), ['sluice events', 'sluice pipelines close-breaker ble-location', 'sluice replay']],
    [heldBy('chain-comes-back', 'loop'), ['circle', 'sluice replay']],
    [heldBy('too-late', 'late'), ['Write bronze/ble-location/day1.csv again', 'lateness']],
  ])('is told for each event that was held: %#', async (held, steps) => {
    const api = createApi();
    await api.deps.ledger.record(place, held, null, null);

    const { body } = await api.send('GET', `why?subject=${held.entryId}`);

    const { advice } = body as Explanation;
    expect(advice).toMatchObject([{ ref: held.entryId, why: 'because' }]);
    expect(advice[0]?.do).toHaveLength(steps.length);
    for (const [index, step] of steps.entries()) expect(advice[0]?.do[index]).toContain(step);
  });

  it('is nothing for what went its way', async () => {
    const { why } = await told();

    expect((await why(entry.entryId)).told.advice).toEqual([]);
  });

  it('names the failure of a run and how to try again, unless that was done', async () => {
    const api = createApi();
    const failed = runOf('refine', 'r', { status: 'failed', failure: { code: 'table-conflict', message: 'line 3' } });
    await api.deps.runs.open(failed);
    const advice = async () => ((await api.send('GET', `why?subject=${failed.runId}`)).body as Explanation).advice;

    expect(await advice()).toMatchObject([
      { ref: failed.runId, why: 'table-conflict: line 3', do: [expect.any(String), `sluice runs retry ${failed.runId} --reason TEXT`] },
    ]);
    await api.deps.runs.open(runOf('refine', 'r', { attempt: 2, status: 'succeeded' }));
    expect(await advice()).toEqual([]);
  });

  it('is to correct the data where the data was at fault: the same would fail again', async () => {
    const api = createApi();
    const failed = runOf('refine', 'r', { status: 'failed', failure: { code: 'bad-rows', message: 'line 3' } });
    await api.deps.runs.open(failed);
    const set = entryOf(place, 'bad', {
      runId: failed.runId,
      verdict: { kind: 'quarantined', rule: 'bad-rows', reason: 'line 3', evidence: {} },
    });
    await api.deps.ledger.record(place, set, null, null);

    const { advice } = (await api.send('GET', `why?subject=${set.entryId}`)).body as Explanation;

    expect(advice.flatMap((one) => one.do).join(' ')).not.toContain('runs retry');
    expect(advice.map((one) => one.do.at(0))).toEqual([
      expect.stringContaining('sluice plan --file FILE --pipeline ble-location'),
      expect.stringContaining('docs/errors.md#bad-rows'),
    ]);
  });

  it('shows the freezes and open breakers of its pipelines', async () => {
    const api = await told();
    const freeze = { kind: 'frozen', by: 'ola', reason: 'audit', since: minute(0), until: null } as const;
    for (const pipeline of ['ble-location', 'other']) await api.deps.freezes.set({ ...freeze, pipeline });

    expect((await api.why(entry.entryId)).told.holds).toMatchObject({ freezes: [{ pipeline: 'ble-location' }], breakers: [] });
  });
});

describe('a dataset in the making', () => {
  async function collecting(complete: string) {
    const api = createApi();
    const { version, bundle } = versionOf('ble-location', 'v');
    version.spec.complete = complete;
    await api.deps.pipelines.put(version, bundle, 'ada', minute(0));
    const id = windowIdOf('ble-location', 'readings', 1);
    const waiting = entryOf(place, 'one', { verdict: { kind: 'incomplete', rule: 'waiting', reason: '1 of 3 files', evidence: {} } });
    await api.deps.ledger.record(place, waiting, headOf(waiting), null);
    await api.deps.ledger.amend(place, waiting.entryId, { member: { window: id, row: memberOf(waiting, 1) } });
    const add = {
      entryId: waiting.entryId,
      path: place.path,
      sha256: digest('x'),
      eventTime: minute(0),
      mark: null,
      expects: null,
      lateness: null,
    };
    const { state } = addMember(null, { ...add, now: minute(1) });
    api.entities.windows.set('ble-location.readings', state);
    const explained = async () => (await api.send('GET', `why?subject=${waiting.entryId}`)).body as Explanation;
    return { ...api, id, waiting, state, explained };
  }

  it('is named, with what it waits for now', async () => {
    const { id, explained } = await collecting('files 3');

    const { windows, advice } = await explained();

    expect(windows).toMatchObject([
      { window: id, state: 'open', files: 1, rule: 'files 3', openedAt: minute(1), waitingFor: '1 of 3 files' },
    ]);
    expect(advice).toMatchObject([{ why: 'It waits: 1 of 3 files' }]);
  });

  it('that lists its files says which are missing', async () => {
    const api = await collecting('manifest list.txt');
    const manifest = placeOf('bronze/ble-location/list.txt');
    const content = Buffer.from('day1.csv\nday2.csv\n');
    const sha256 = createHash('sha256').update(content).digest('hex');
    await api.deps.ledger.record(manifest, entryOf(manifest, 'list'), null, null);
    await api.deps.ledger.amend(manifest, entryOf(manifest, 'list').entryId, {
      member: { window: api.id, row: memberOf(entryOf(manifest, 'list'), 2, { sha256 }) },
    });
    await (api.deps.store as MemoryStore).create(`manifests/${sha256}`, content, 'text/plain');

    expect((await api.explained()).windows).toMatchObject([
      { files: 1, waitingFor: expect.stringContaining('day2.csv missing') as string },
    ]);
  });

  it('that was closed says when, and one whose counts are gone says so', async () => {
    const api = await collecting('files 3');
    api.entities.windows.set('ble-location.readings', closeWindow(api.state, { number: 1, ifCount: null, at: minute(9) }).state);

    expect((await api.explained()).windows).toMatchObject([{ state: 'closed', closedAt: minute(9), waitingFor: null }]);
    api.entities.windows.clear();
    expect((await api.explained()).windows).toMatchObject([{ state: 'unknown', files: 1 }]);
  });
});

describe('beyond one pipeline', () => {
  it('a commit leads to the event of the pipeline that reads the table, and back', async () => {
    const api = createApi();
    const commit = {
      layer: 'gold',
      table: 'training',
      path: 'gold/ble-location/training/',
      version: 3,
      rows: 1,
      addedRows: 1,
      digest: digest('g'),
    } as const;
    const refined = { silver: { ...commit, path: 'silver/x/' }, gold: commit, readRows: 1, quarantinedRows: 0, findings: [] };
    const made = runOf('refine', 'r', { status: 'succeeded', refined: refined });
    await api.deps.runs.open(made);
    const log = placeOf('gold/ble-location/training/_delta_log/00000000000000000003.json');
    const read = entryOf(log, 'commit', {
      pipeline: 'reader',
      verdict: { kind: 'accepted', rule: 'foreign-commit', reason: 'version 3', evidence: { madeBy: made.runId } },
      chain: [`ble-location@${made.runId}`],
    });
    await api.deps.ledger.record(log, read, null, null);
    const links = async (subject: string) => chain((await api.send('GET', `why?subject=${encodeURIComponent(subject)}`)).body);

    expect(await links(made.runId)).toEqual(['run committed event']);
    expect(await links(log.path)).toEqual(['run committed event']);
  });

  it('an event without a file leads to the run that it started, and can be asked for as lists show it', async () => {
    const api = createApi();
    const event = { source: '/t', id: '1', kind: 'schedule', subject: 'ble-location', time: minute(0), data: {} } as const;
    const signal = entryOf(placeOf('x'), 'signal', { event, runId: runOf('train', 't').runId });
    await api.deps.ledger.record({ account: 'signals', container: 'schedule', path: 'ble-location' }, signal, null, null);
    await api.deps.runs.open(runOf('train', 't', { cause: { kind: 'event', ref: signal.entryId } }));

    const answer = (await api.send('GET', `why?subject=${encodeURIComponent('schedule ble-location')}`)).body as Explanation;

    expect(answer.subject).toEqual([{ kind: 'event', ref: signal.entryId }]);
    expect(chain(answer)).toEqual(['event led-to run']);
  });

  it('a duplicate leads to the event that it repeats', async () => {
    const api = await told();
    const again = entryOf(place, 'again', {
      receivedAt: minute(4),
      verdict: { kind: 'duplicate', rule: 'same-etag', reason: 'the same', evidence: { known: entry.entryId } },
    });
    const { version } = await api.deps.ledger.look(place, again.entryId);
    await api.deps.ledger.record(place, again, null, version);

    expect(chain((await api.why(again.entryId)).told)).toContain('event repeats event');
  });
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
