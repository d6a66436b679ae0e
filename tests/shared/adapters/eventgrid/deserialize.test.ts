// Storage events as Azure and the local proxy write them, in every disguise; and bodies that are none.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { render, toEvent } from '../../../../local/cloud/eventgrid/events.ts';
import { deserializeEvents } from '../../../../shared/adapters/eventgrid/deserialize.ts';
import { LedgerEvent, type StorageEvent } from '../../../../shared/contracts/events.ts';

const SOURCE = '/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/mylake';

/** Data of a finished dfs upload, as the documentation shows it. */
const data = {
  api: 'FlushWithClose',
  requestId: 'r',
  eTag: '0x8D4BCC2E4835CD0',
  contentType: 'text/csv',
  contentLength: 524288,
  contentOffset: 0,
  blobType: 'BlockBlob',
  url: 'https://mylake.dfs.core.windows.net/lake/bronze/ble/a%20b%2Fc.csv',
  sequencer: '00000000000004420000000000028963',
  storageDiagnostics: { batchId: 'b' },
};
const cloud = {
  source: SOURCE,
  subject: '/blobServices/default/containers/lake/blobs/bronze/ble/a b/c.csv',
  type: 'Microsoft.Storage.BlobCreated',
  time: '2026-11-22T10:00:00.1234567Z',
  id: 'e1',
  data,
  specversion: '1.0',
};
const grid = {
  topic: SOURCE,
  subject: cloud.subject,
  eventType: cloud.type,
  eventTime: cloud.time,
  id: 'e1',
  data,
  dataVersion: '',
  metadataVersion: '1',
};
const expected: StorageEvent = {
  source: SOURCE,
  id: 'e1',
  kind: 'created',
  api: 'FlushWithClose',
  account: 'mylake',
  container: 'lake',
  path: 'bronze/ble/a b/c.csv',
  eTag: '0x8D4BCC2E4835CD0',
  sequencer: '00000000000004420000000000028963',
  bytes: 524288,
  time: '2026-11-22T10:00:00.123Z',
};

/** A job's event in the documentation's case (facts/azure.md §3.2). */
const job = {
  ...cloud,
  source: '/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws',
  subject: 'experiments/0fa9dfaa-cba3-4fa7-b590-23e48548f5c1/runs/train-ble-location-0123456789abcdef-a1',
  type: 'Microsoft.MachineLearningServices.RunStatusChanged',
  data: { RunId: 'train-ble-location-0123456789abcdef-a1', runStatus: 'failed', runTags: { a: 'b' }, ExperimentName: 'sluice' },
};

const shout = (value: object): object =>
  Object.fromEntries(Object.entries(value).map(([key, member]) => [key.toUpperCase(), member as unknown]));

describe('what is an event', () => {
  it.each([
    ['a CloudEvent', cloud],
    ['the Event Grid schema', grid],
    ['an array', [cloud]],
    ['its text', JSON.stringify(grid)],
    ['keys in another case', { ...shout(cloud), DATA: shout(data) }],
    ['keys in another case, Event Grid schema', { ...shout(grid), DATA: shout(data) }],
    ['unknown fields', { ...cloud, extra: { a: 1 }, data: { ...data, extra: [1] } }],
    ['a quoted eTag', { ...cloud, data: { ...data, eTag: '"0x8D4BCC2E4835CD0"' } }],
    ['the blob host', { ...cloud, data: { ...data, url: data.url.replace('dfs', 'blob') } }],
    ['a zonal DNS name', { ...cloud, data: { ...data, url: data.url.replace('.dfs.core.windows.net', '.z12.blob.storage.azure.net') } }],
    ['an encoded subject', { ...cloud, subject: '/blobServices/default/containers/lake/blobs/bronze/ble/a%20b/c.csv' }],
    ['no subject', { ...cloud, subject: undefined }],
    ['no url', { ...cloud, data: { ...data, url: undefined } }],
    ['an emulator', { ...cloud, data: { ...data, url: 'http://127.0.0.1:10000/mylake/lake/bronze/ble/a%20b/c.csv' } }],
  ])('%s', async (_name, body) => {
    await expect(deserializeEvents(body)).resolves.toEqual({ events: [expected], chains: [[]], others: [], problems: [] });
  });

  it('decodes percent signs once', async () => {
    const { events } = await deserializeEvents({
      ...cloud,
      subject: '/blobServices/default/containers/lake/blobs/a%2520b',
      data: { ...data, url: 'https://mylake.blob.core.windows.net/lake/a%252520b' },
    });

    expect(events).toMatchObject([{ path: 'a%2520b' }]);
  });

  it('keeps dot segments, for the verdict to refuse', async () => {
    const url = 'https://mylake.blob.core.windows.net/lake/bronze/../../etc/passwd';
    const { events } = await deserializeEvents({ ...cloud, subject: undefined, data: { ...data, url } });

    expect(events).toMatchObject([{ path: 'bronze/../../etc/passwd' }]);
  });

  it('a deletion, which has neither eTag nor length', async () => {
    const { api, url, sequencer } = { ...data, api: 'DeleteBlob' };
    const { events } = await deserializeEvents({ ...cloud, type: 'Microsoft.Storage.BlobDeleted', data: { api, url, sequencer } });

    expect(events).toEqual([{ ...expected, kind: 'deleted', api: 'DeleteBlob', eTag: '', bytes: 0 }]);
  });

  it('a renaming, by its destination', async () => {
    const renamed = {
      api: 'RenameFile',
      sourceUrl: 'https://mylake.dfs.core.windows.net/lake/tmp/x.csv',
      destinationUrl: data.url,
      sequencer: data.sequencer,
    };
    const { events } = await deserializeEvents({ ...cloud, type: 'Microsoft.Storage.BlobRenamed', data: renamed });

    expect(events[0]).toMatchObject({ kind: 'renamed', api: 'RenameFile', path: expected.path });
  });

  it.each(['cloudevents', 'eventgrid'] as const)('what the local proxy writes, schema %s', async (schema) => {
    const change = {
      api: 'PutBlob',
      container: 'lake',
      blob: 'bronze/ü x.csv',
      encodedPath: 'lake/bronze/%C3%BC%20x.csv',
      contentLength: 7,
      requestId: 'r',
      eTag: '"0x1"',
    };
    const event = toEvent(change as Parameters<typeof toEvent>[0], 'mylake', '01', Date.parse('2026-11-22T10:00:00Z'));
    const { events, problems } = await deserializeEvents(render({ name: 's', queue: 'q', schema, quotedETag: true }, event, SOURCE));

    expect(problems).toEqual([]);
    expect(events[0]).toMatchObject({
      kind: 'created',
      api: 'PutBlob',
      account: 'mylake',
      container: 'lake',
      path: 'bronze/ü x.csv',
      eTag: '0x1',
      bytes: 7,
    });
  });
});

describe('what has no blob', () => {
  it('a folder that was renamed or deleted is recognised by its own api', async () => {
    const url = 'https://mylake.dfs.core.windows.net/lake/bronze/new';
    const renamed = { ...cloud, subject: undefined, type: 'Microsoft.Storage.DirectoryRenamed', data: { destinationUrl: url } };
    const deleted = { ...cloud, subject: undefined, type: 'Microsoft.Storage.DirectoryDeleted', data: { url } };

    const { events } = await deserializeEvents([renamed, deleted]);

    expect(events).toMatchObject([
      { kind: 'renamed', api: 'RenameDirectory', path: 'bronze/new' },
      { kind: 'deleted', api: 'DeleteDirectory', path: 'bronze/new' },
    ]);
  });

  it.each([
    ['the documentation', job],
    ['camel case', { ...job, data: { runId: job.data.RunId, runStatus: 'failed', experimentName: 'sluice' } }],
    ['no data but the subject', { ...job, data: { runStatus: 'failed', experimentName: 'sluice' } }],
    ['the Event Grid schema', { ...grid, topic: job.source, subject: job.subject, eventType: job.type, data: job.data }],
  ])('a word of Azure ML about a job, as in %s', async (_name, body) => {
    const { events, problems } = await deserializeEvents(body);

    expect(problems).toEqual([]);
    expect(events).toMatchObject([
      { kind: 'job', subject: job.data.RunId, data: { type: 'RunStatusChanged', status: 'failed', experiment: 'sluice' } },
    ]);
  });

  it.each(['code', 'monitor'])('a signal %s that somebody sends, with its plain values only', async (kind) => {
    const body = {
      ...cloud,
      type: `sluice.signal.${kind}`,
      subject: 'ble-location',
      data: { commit: 'abc', score: 0.5, nested: { a: 1 } },
    };

    const { events } = await deserializeEvents(body);

    expect(events).toMatchObject([{ kind, subject: 'ble-location', data: { commit: 'abc', score: 0.5 } }]);
    expect((events[0] as { data: object }).data).not.toHaveProperty('nested');
  });

  it('keeps the causal chain that an event carries, and nothing that is no chain', async () => {
    const { chains } = await deserializeEvents([
      { ...cloud, sluicechain: 'a@run1, b@run2' },
      { ...cloud, sluicechain: { a: 1 } },
    ]);

    expect(chains).toEqual([['a@run1', 'b@run2'], []]);
  });

  it.each(['Microsoft.Storage.BlobTierChanged', 'Microsoft.EventGrid.SubscriptionValidationEvent', 'constructor', 'sluice.signal.http'])(
    'a type that nothing is made of is no problem: %s',
    async (type) => {
      const { events, others, problems } = await deserializeEvents({ ...cloud, type, data: 'whatever' });

      expect([events, problems]).toEqual([[], []]);
      expect(others).toEqual([{ source: SOURCE, id: 'e1', type, subject: cloud.subject }]);
    },
  );
});

describe('what is a problem', () => {
  it.each([
    ['text that is not JSON', 'hello', /not JSON/],
    ['nothing', null, /not an object/],
    ['a number', 5, /not an object/],
    ['an empty array', [], /empty/],
    ['an endless array', Array.from({ length: 5_001 }, () => cloud), /at most 5000/],
    ['an object of another kind', { hello: 1 }, /neither a CloudEvent/],
    ['another CloudEvents version', { ...cloud, specversion: '0.3' }, /Cloud ?Event/],
    ['no id', { ...cloud, id: undefined }, /id/],
    ['data that is text', { ...cloud, data: 'x' }, /data is not an object/],
    ['a job event that names no run', { ...job, subject: undefined, data: {} }, /names no run/],
    ['a signal without a subject', { ...cloud, type: 'sluice.signal.code', subject: undefined }, /subject/],
    ['no time', { ...cloud, time: undefined }, /time/],
    ['a time that is none', { ...cloud, time: 'yesterday' }, /time/],
    ['a creation without eTag', { ...cloud, data: { ...data, eTag: undefined } }, /eTag/],
    ['a creation without length', { ...cloud, data: { ...data, contentLength: undefined } }, /contentLength/],
    ['a negative length', { ...cloud, data: { ...data, contentLength: -1 } }, /contentLength/],
    ['a foreign host', { ...cloud, data: { ...data, url: 'https://evil.example/mylake/lake/x' } }, /not an address of a storage account/],
    [
      'an address of a container only',
      { ...cloud, subject: undefined, data: { ...data, url: 'https://mylake.blob.core.windows.net/lake' } },
      /does not name a blob/,
    ],
    [
      'another account in the url',
      { ...cloud, data: { ...data, url: data.url.replace('mylake', 'otherlake') } },
      /account "mylake".*"otherlake"/,
    ],
    ['another blob in the subject', { ...cloud, subject: '/blobServices/default/containers/lake/blobs/other.csv' }, /different blobs/],
    ['another container in the subject', { ...cloud, subject: cloud.subject.replace('/lake/', '/sea/') }, /different blobs/],
    ['a url that is not UTF-8', { ...cloud, data: { ...data, url: 'https://mylake.blob.core.windows.net/lake/%FF' } }, /percent-encoded/],
    [
      'a line break in the name',
      { ...cloud, subject: undefined, data: { ...data, url: 'https://mylake.blob.core.windows.net/lake/a%0Ab' } },
      /control characters/,
    ],
    ['a query in the url', { ...cloud, data: { ...data, url: `${data.url}?sig=x` } }, /not an address/],
    [
      'an endless path',
      { ...cloud, subject: undefined, data: { ...data, url: `https://mylake.blob.core.windows.net/lake/${'a'.repeat(1_025)}` } },
      /path/,
    ],
  ])('%s', async (_name, body, message) => {
    const { events, problems } = await deserializeEvents(body);

    expect(events).toEqual([]);
    expect(problems).toEqual([expect.stringMatching(message)]);
  });

  it('keeps the good events of a batch and names the bad ones by place', async () => {
    const { events, problems } = await deserializeEvents([cloud, { ...cloud, id: 7 }, grid]);

    expect(events).toHaveLength(2);
    expect(problems).toEqual([expect.stringMatching(/^event 2: /)]);
  });

  it('is not brought down by nesting', async () => {
    const deep = JSON.parse(`${'['.repeat(15_000)}1${']'.repeat(15_000)}`) as unknown;

    for (const body of [deep, { deep }, { ...cloud, data: deep }, { ...cloud, extra: deep, id: 7 }]) {
      const { events, problems } = await deserializeEvents(body);
      expect([events, problems]).toEqual([[], [expect.any(String)]]);
    }
  });

  it('is not fooled by prototype keys', async () => {
    const body = JSON.parse(
      `{"__proto__":{"specversion":"1.0","polluted":true},"constructor":1,"data":{"__proto__":{"url":"https://x"}}}`,
    ) as unknown;
    const { events } = await deserializeEvents(body);

    expect(events).toEqual([]);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

const segment = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((value) => !/[\u0000-\u001f\u007f/]/.test(value));

describe('any blob', () => {
  it('comes out under its own name, from both hosts and both schemas', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(segment, { minLength: 1, maxLength: 5 }),
        fc.constantFrom('blob', 'dfs'),
        fc.boolean(),
        fc.boolean(),
        async (segments, host, asCloud, encodedSubject) => {
          const path = segments.join('/');
          const encoded = segments.map(encodeURIComponent).join('/');
          const subject = `/blobServices/default/containers/lake/blobs/${encodedSubject ? encoded : path}`;
          const own = { ...data, url: `https://mylake.${host}.core.windows.net/lake/${encoded}` };

          const { events, problems } = await deserializeEvents(
            asCloud ? { ...cloud, subject, data: own } : [{ ...grid, subject, data: own }],
          );

          expect(problems).toEqual([]);
          expect(events[0]).toEqual({ ...expected, path });
        },
      ),
      { numRuns: 200 },
    );
  });

  it('of any JSON at all never throws, and gives only valid events', async () => {
    const anything = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          specversion: fc.constantFrom('1.0', '2.0', 1),
          data: fc.jsonValue(),
          id: fc.jsonValue(),
          source: fc.jsonValue(),
          type: fc.constantFrom(cloud.type, 'x', null),
        },
        { requiredKeys: [] },
      ),
      fc.record({
        ...Object.fromEntries(
          Object.keys(cloud).map((key) => [key, fc.oneof(fc.constant(cloud[key as keyof typeof cloud]), fc.jsonValue())]),
        ),
      }),
    );
    await fc.assert(
      fc.asyncProperty(anything, async (body) => {
        const { events, others, problems } = await deserializeEvents(body);

        for (const event of events) expect(LedgerEvent.safeParse(event).success).toBe(true);
        expect(events.length + others.length + problems.length).toBeGreaterThan(0);
      }),
      { numRuns: 300 },
    );
  });
});
