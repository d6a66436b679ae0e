// Bad files, bad components and servers that never answer: each ends with a verdict or a failed run that says what to mend, and changes nothing.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Followed } from '../../cli/follow.ts';
import type { RunSummary } from '../../shared/contracts/http-api.ts';
import { HEADER, readings, type Variant } from '../support/pipeline-variant.ts';
import { ODD_COMPONENTS, REGION, runOf, startTestStack, type Landed, type TestStack } from '../support/test-stack.ts';

/** Serves a good model from the beginning; later versions of it are bad. */
const BASE = 'served';
/** Takes the bad files: its endpoint must never come to be. */
const FILES = 'bad-files';
const ODD = ['exits-one', 'leaves-no-report', 'writes-nan', 'lies-about-the-digest'] as const;

let at: TestStack;
let overServing: ReturnType<typeof tellServing>;
const landed = new Map<string, Promise<Landed>>();
/** What came of the file or component of that name. */
const story = async (name: string): Promise<Followed> => at.follow(await (landed.get(name) as Promise<Landed>));

const odd = (pipeline: string, behaviour: string, more: Partial<Variant> = {}): Variant => ({
  pipeline,
  train: { component: 'odd-train', params: { behaviour } },
  ...more,
});
const lines = readings(1).trimEnd().split('\n');
/** Good rows with the third one spoilt, on line 4. */
const spoilt = (third: string | Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${lines.slice(0, 3).join('\n')}\n`), Buffer.from(third), Buffer.from(`\n${lines.slice(4).join('\n')}\n`)]);
const row = lines[3] ?? '';
const FILE_CONTENT: Record<string, string | Buffer> = {
  'header.csv': readings(1).replace('b3007', 'beacon7'),
  'empty.csv': '',
  'truncated.csv': spoilt(row.split(',').slice(0, 6).join(',')),
  'latin1.csv': spoilt(Buffer.from(row.replace(/^[A-Z]/, 'Ä'), 'latin1')),
  'letters.csv': spoilt(row.replace(/,-?\d+$/, ',loud')),
  'no-rows-left.csv': readings(1).replace(/^[A-Z]\d\d,/gm, 'nowhere,'),
};

beforeAll(async () => {
  at = await startTestStack({ components: ODD_COMPONENTS, startupMs: 10_000 });
  await Promise.all([
    at.register({ pipeline: BASE }),
    at.register(odd(FILES, 'plain')),
    at.register(odd('mute', 'plain', { serve: 'serve-mute' })),
    at.register(odd('mute-late', 'plain', { serve: 'serve-mute', healthyWithin: '3s' })),
    ...ODD.map((behaviour) => at.register(odd(behaviour, behaviour))),
  ]);
  overServing = tellServing();
  // Awaited by the last test: a failure before that is not unhandled.
  overServing.catch(() => undefined);
  for (const [name, content] of Object.entries(FILE_CONTENT)) landed.set(name, at.land(FILES, name, content));
  for (const name of [...ODD, 'mute', 'mute-late']) landed.set(name, at.land(name, 'readings.csv', readings(2)));
  await Promise.all(landed.values());
});

afterAll(() => at?.stop());

describe('a bad file', () => {
  test.each([
    ['header.csv', /b3007/],
    ['truncated.csv', /line 4/],
    ['latin1.csv', /UTF-8/],
    ['letters.csv', /line 4.*b3013.*loud|b3013.*line 4/s],
    ['no-rows-left.csv', /at least 200 are needed.*cell-is-known: 240/],
  ])('%s fails its refine run, which names the file, the place, the rule and the mend', async (name, place) => {
    const followed = await story(name);
    const refine = runOf(followed, 'refine');

    expect(refine.status).toBe('failed');
    expect(refine.failure?.message).toContain(name);
    expect(refine.failure?.message).toMatch(place);
    expect(refine.failure?.message).toMatch(/\(rule .+Mend: /s);
    expect(refine.refined).toBeNull();
    expect(followed.runs).toHaveLength(1);
  });

  test('an empty file gets a verdict and starts nothing', async () => {
    const { entry, runs } = await story('empty.csv');

    expect(entry.verdict).toMatchObject({ kind: 'ignored', rule: 'empty-file' });
    expect(entry.verdict.reason).toContain('write it again');
    expect(runs).toEqual([]);
  });

  test('no bad file made a commit or an endpoint', async () => {
    await Promise.all(Object.keys(FILE_CONTENT).map(story));
    const commits: string[] = [];
    for await (const blob of at.lake.listBlobsFlat()) if (/\/bad-files\/.*_delta_log\//.test(blob.name)) commits.push(blob.name);

    expect(commits).toEqual([]);
    expect((await at.serving.read({ region: REGION, endpoint: `${FILES}-dev` })).status).toBe('absent');
  });
});

describe('a bad component', () => {
  test.each([
    ['exits-one', 'job-failed', /The component said: odd-train: sensor-broken: beacon b3004 gave the same value in every row/],
    ['leaves-no-report', 'job-failed', /run-report\.json/],
    ['writes-nan', 'report-not-finite', /NaN/],
    ['lies-about-the-digest', 'model-digest-wrong', /digest/],
  ])('%s fails its train run with the reason; nothing is registered', async (name, code, reason) => {
    const followed = await story(name);
    const train = runOf(followed, 'train');

    expect(runOf(followed, 'refine').status).toBe('succeeded');
    expect(train).toMatchObject({ status: 'failed', failure: { code } });
    expect(train.failure?.message).toMatch(reason);
    expect(train.failure?.message).toContain(train.runId);
    expect(followed.runs.some((run) => run.story === 'promote')).toBe(false);
    expect((await at.api.get<{ items: unknown[] }>(`/models?pipeline=${name}`)).items).toEqual([]);
    expect((await at.serving.read({ region: REGION, endpoint: `${name}-dev` })).status).toBe('absent');
  });

  test('why the component failed is in the log of its run', async () => {
    const train = runOf(await story('exits-one'), 'train');
    const logs = await at.api.get<{ jobs: { steps: { step: string; text: string }[] }[] }>(`/runs/${train.runId}/logs`);

    const text = logs.jobs.flatMap((job) => job.steps).find(({ step }) => step === 'train')?.text;
    expect(text).toContain('sensor-broken: beacon b3004 gave the same value in every row; replace the beacon');
  });
});

describe('an endpoint that never is healthy', () => {
  test.each(['mute', 'mute-late'])('%s: the promotion fails, and the endpoint that it made is gone', async (name) => {
    const followed = await story(name);
    const promote = runOf(followed, 'promote');

    expect(runOf(followed, 'train').status).toBe('succeeded');
    expect(promote).toMatchObject({ status: 'failed', promoted: null, failure: { code: 'endpoint-not-healthy' } });
    expect(promote.failure?.message).toContain(`${name}-dev`);
    expect((await at.serving.read({ region: REGION, endpoint: `${name}-dev` })).status).toBe('absent');
    expect(followed.runs).toHaveLength(3);
  });

  test('over a serving version leaves it as it was: by a server that never answers, and by a model that is not the one of its digest', async () => {
    const { served, before, failed, after } = await overServing;

    expect(before.state).toMatchObject({ status: 'in-service', configName: served?.configName, pendingConfig: null });
    expect(failed.map(({ status, promoted, failure }) => [status, promoted, failure?.code])).toEqual([
      ['failed', null, 'endpoint-not-healthy'],
      ['failed', null, 'endpoint-not-healthy'],
    ]);
    // Why the last attempt failed stays in the description of an endpoint.
    expect(after).toEqual({ ...before, state: { ...before.state, reason: after.state.reason } });
    const { items } = await at.api.get<{ items: { endpoint: string; modelDigest: string }[] }>('/serving');
    expect(items.filter(({ endpoint }) => endpoint.endsWith(`/${BASE}-dev`))).toMatchObject([{ modelDigest: served?.modelDigest }]);
  });
});

/** A good model comes into service, then two bad versions of the pipeline try to follow it, one after the other. */
async function tellServing() {
  const place = { region: REGION, endpoint: `${BASE}-dev` };
  const look = async () => ({ state: await at.serving.read(place), answer: await at.serving.invoke(place, [signals()]) });
  const served = runOf(await at.follow(await at.land(BASE, 'good.csv', readings(7))), 'promote').promoted;
  const before = await look();
  const failed: RunSummary[] = [];
  for (const [seed, bad] of [odd(BASE, 'plain', { serve: 'serve-mute' }), odd(BASE, 'swaps-the-model')].entries()) {
    await at.register(bad);
    failed.push(runOf(await at.follow(await at.land(BASE, `bad-${seed}.csv`, readings(11 + seed))), 'promote'));
  }
  return { served, before, failed, after: await look() };
}

function signals(): number[] {
  return row.split(',').slice(2).map(Number);
}

test('the header that the files are spoilt from is the one of the pipeline', () => {
  expect(lines[0]).toBe(HEADER);
});
