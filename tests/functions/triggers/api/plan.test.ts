// `plan`: the verdict, the dataset, the rows and what comes after; and that nothing anywhere is changed by it.
import { createHash, randomBytes } from 'node:crypto';
import { TableClient, TableServiceClient } from '@azure/data-tables';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { QueueClient } from '@azure/storage-queue';
import * as df from 'durable-functions';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import type { ApiDeps } from '../../../../functions/triggers/api/call.ts';
import { WINDOW_ENTITY } from '../../../../functions/triggers/durable-windows.ts';
import { createMemoryStore as createEngineStore } from '../../../../local/host/durable/store.ts';
import { createTestHost } from '../../../../local/host/testing/test-host.ts';
import { WINDOW, windowEntity } from '../../../../orchestrations/kit/window.ts';
import { createLake } from '../../../../shared/adapters/lake/lake.ts';
import { createStore } from '../../../../shared/adapters/lake/store.ts';
import { openTables } from '../../../../shared/adapters/tables/open-tables.ts';
import { createTableStores } from '../../../../shared/adapters/tables/stores.ts';
import type { Plan } from '../../../../shared/contracts/http-api.ts';
import type { PipelineVersion } from '../../../../shared/contracts/pipeline.ts';
import type { WindowState } from '../../../../shared/contracts/windows.ts';
import { refineKey } from '../../../../shared/decisions/identity.ts';
import { addMember, windowIdOf } from '../../../../shared/decisions/window.ts';
import { entryOf, memberOf, minute, placeOf, runOf } from '../../../contracts/samples.ts';
import { HEADER, makeRig, makeStorageRig, pipelineOf, type Rig, rowsOf, sha256 } from '../../../shared/adapters/lake/rig.ts';
import { createApi } from './harness.ts';

const at = minute(0);

/** An API over stores in memory and a lake in this process, with a pipeline "p" that the edit changes. */
async function planned(
  edit: (spec: PipelineVersion['spec'], sql: PipelineVersion['sql']) => void = () => undefined,
  more: Partial<ApiDeps> = {},
) {
  const rig = await makeRig();
  const version = pipelineOf({ source: { badRows: 'quarantine' } });
  edit(version.spec, version.sql);
  const lake = { account: 'lake', container: rig.name };
  const files = createLake(rig.service, { container: rig.name });
  const api = createApi({ engine: rig.engine, store: rig.store, lake, files, ...more });
  await api.deps.pipelines.put(version, { file: '', sql: {}, images: {} }, 'ada', at);
  const plan = async (raw: string | Uint8Array | undefined, query = '', token = 'root/admin') => {
    const reply = await api.send('POST', `pipelines/p/plan${query}`, { ...(raw === undefined ? {} : { raw }), token });
    return { status: reply.status, body: reply.body as Plan & { code?: string; detail?: string } };
  };
  return { ...api, rig, version, plan };
}

/** Puts files into the open window of source "in", as the stories do. */
async function collect(api: Awaited<ReturnType<typeof planned>>, names: readonly string[]): Promise<void> {
  for (const [index, name] of names.entries()) {
    const path = `bronze/p/${name}`;
    const { container } = api.deps.lake;
    const entry = entryOf({ ...placeOf(path), container }, name);
    await api.deps.ledger.record({ ...placeOf(path), container }, entry, null, null);
    const landed = await api.rig.land(path, HEADER + rowsOf(1, index + 1));
    const row = memberOf(entry, index + 1, { path, container, sha256: landed.sha256 });
    await api.deps.ledger.amend({ ...placeOf(path), container }, entry.entryId, { member: { window: windowIdOf('p', 'in', 1), row } });
    const before = api.entities.windows.get('p.in') ?? null;
    const add = { entryId: entry.entryId, path, sha256: landed.sha256, eventTime: at, now: at, mark: null, expects: null, lateness: null };
    api.entities.windows.set('p.in', addMember(before, add).state);
  }
}

describe('a file that is a dataset of its own', () => {
  it('would be refined, trained and held for promotion: rows per layer, findings, gates, targets', async () => {
    const api = await planned();

    const { status, body } = await api.plan(`${HEADER}${rowsOf(3)}x,bad,2024-01-01,1\n`, '?as=day%201.csv');

    expect(status).toBe(200);
    expect(body).toMatchObject({
      path: 'bronze/p/day 1.csv',
      sha256: sha256(`${HEADER}${rowsOf(3)}x,bad,2024-01-01,1\n`),
      verdict: { kind: 'accepted', rule: 'complete-file' },
      starts: true,
      dataset: { window: null, state: 'complete', files: 1 },
      refine: {
        of: 'dataset',
        files: 1,
        preview: {
          refused: null,
          readRows: 4,
          quarantinedRows: 1,
          quarantined: [{ line: 5, raw: 'x,bad,2024-01-01,1' }],
          layers: [
            { layer: 'silver', mode: 'append', rowsBefore: 0, newRows: 3, rowsAfter: 3 },
            { layer: 'gold', mode: 'overwrite', rowsAfter: 3 },
          ],
        },
      },
      train: { backends: ['kubeflow'], components: ['c'] },
      gates: ['m >= 0'],
      promotions: [{ environment: 'dev', start: 'manual', approval: 'none', targets: [{ place: 'eu-central-1/e' }] }],
    });
    expect(body.bytes).toBe(Buffer.byteLength(`${HEADER}${rowsOf(3)}x,bad,2024-01-01,1\n`));
  });

  it('whose content was refined before would bring nothing new', async () => {
    const api = await planned();
    const content = HEADER + rowsOf(2);
    const key = refineKey({
      pipeline: 'p',
      contractDigest: api.version.digest,
      files: [{ path: 'bronze/p/a.csv', sha256: sha256(content) }],
    });
    const run = runOf('refine', 'done', { pipeline: 'p', key, status: 'succeeded', runId: `refine-p-${key.slice(0, 16)}-a1` });
    await api.deps.runs.open(run);

    const { body } = await api.plan(content, '?as=a.csv');

    expect(body).toMatchObject({ verdict: { kind: 'duplicate', rule: 'same-content' }, doneBy: run.runId, starts: false });
    expect((await api.plan(content, '?as=b.csv')).body.verdict.kind).toBe('accepted');
  });

  it.each([
    ['of the wrong header', 'a,b\n1,2\n', { kind: 'quarantined', rule: 'wrong-header' }, true],
    ['without bytes', '', { kind: 'ignored', rule: 'empty-file' }, false],
  ])('%s would be told apart', async (_, content, verdict, starts) => {
    const { plan } = await planned();

    const { body } = await plan(content === '' ? undefined : content, '?as=a.csv');

    expect(body).toMatchObject({ verdict, starts });
  });

  it('with a name of unfinished files would be ignored, and is not refined for it', async () => {
    const { plan } = await planned();

    const { body } = await plan(HEADER + rowsOf(1), '?as=a.csv.tmp');

    expect(body).toMatchObject({ verdict: { kind: 'ignored', rule: 'temporary-name' }, dataset: null, refine: null, starts: false });
    expect(body.bytes).toBeGreaterThan(10);
  });

  it('would be held back while the pipeline is frozen, and is looked at all the same', async () => {
    const api = await planned();
    await api.deps.freezes.set({ pipeline: 'p', kind: 'frozen', by: 'ola', reason: 'audit', since: at, until: null });

    const { body } = await api.plan(HEADER + rowsOf(2));

    expect(body).toMatchObject({ verdict: { kind: 'refused', rule: 'frozen' }, starts: false, refine: { preview: { readRows: 2 } } });
  });

  it('would open the breaker where the hour has had its datasets; planning it does not', async () => {
    const api = await planned((spec) => (spec.limits = { datasetsPerHour: 1, trainingsPerDay: 1 }));
    const hour = new Date(Date.parse(minute(1001))).toISOString();
    await api.deps.breakers.update('p', () => ({
      breaker: { pipeline: 'p', state: 'closed', opened: null, closed: null, datasets: { [hour]: 1 }, trainings: {}, recent: [] },
      answer: null,
    }));

    const { body } = await api.plan(HEADER + rowsOf(2));

    expect(body).toMatchObject({ verdict: { kind: 'over-budget', rule: 'breaker-open' }, starts: false });
    expect(await api.deps.breakers.get('p')).toMatchObject({ state: 'closed', recent: [] });
  });

  it('may lie in the lake already, outside the landing folder', async () => {
    const api = await planned();
    await api.rig.land('scratch/big.csv', HEADER + rowsOf(4));

    const { body } = await api.plan(undefined, '?path=scratch/big.csv');

    expect(body).toMatchObject({ path: 'bronze/p/big.csv', refine: { preview: { readRows: 4 } }, sha256: sha256(HEADER + rowsOf(4)) });
    expect((await api.plan(undefined, '?path=scratch/none.csv')).body).toMatchObject({ code: 'plan-file', status: 404 });
  });
});

describe('a file of a dataset of several', () => {
  it('would wait, and the plan says for what; the file alone is looked at', async () => {
    const api = await planned((spec) => (spec.complete = 'files 3'));
    await collect(api, ['a.csv']);

    const { body } = await api.plan(HEADER + rowsOf(1, 7), '?as=b.csv');

    expect(body).toMatchObject({
      verdict: { kind: 'incomplete', rule: 'waiting', evidence: { window: 'p.in.1', waitingFor: '2 of 3 files' } },
      dataset: { window: 'p.in.1', state: 'waiting', files: 2, how: '2 of 3 files' },
      refine: { of: 'file', files: 1, preview: { readRows: 1 } },
      starts: false,
    });
  });

  it('that completes it is refined together with the others', async () => {
    const api = await planned((spec) => (spec.complete = 'files 3'));
    await collect(api, ['a.csv', 'b.csv']);

    const { body } = await api.plan(HEADER + rowsOf(5, 7), '?as=c.csv');

    expect(body).toMatchObject({
      verdict: { kind: 'accepted', rule: 'dataset-closed' },
      dataset: { state: 'complete', files: 3 },
      refine: { of: 'dataset', files: 3, preview: { readRows: 7 } },
      starts: true,
    });
  });

  it('that brings a newer version of a collected file does not count twice', async () => {
    const api = await planned((spec) => (spec.complete = 'files 2'));
    await collect(api, ['a.csv']);

    expect((await api.plan(HEADER + rowsOf(2), '?as=a.csv')).body.dataset).toMatchObject({ state: 'waiting', how: '1 of 2 files' });
  });

  it('which a time completes says when', async () => {
    const { plan } = await planned((spec) => (spec.complete = 'quiet 30m'));

    const { body } = await plan(HEADER + rowsOf(1));

    expect(body.dataset).toMatchObject({ state: 'later', until: expect.any(String) as string });
  });

  it('may be the manifest that lists it: named files that did not come are missing', async () => {
    const api = await planned((spec) => (spec.complete = 'manifest files.json'));
    await collect(api, ['a.csv']);

    const waits = (await api.plan('["a.csv", "b.csv"]', '?as=files.json')).body;
    const ready = (await api.plan('["a.csv"]', '?as=files.json')).body;
    const odd = (await api.plan('["../a.csv"]', '?as=files.json')).body;

    expect(waits).toMatchObject({
      verdict: { kind: 'incomplete' },
      dataset: { how: expect.stringContaining('bronze/p/b.csv') as string },
      refine: null,
    });
    expect(ready).toMatchObject({
      verdict: { rule: 'dataset-closed' },
      dataset: { files: 1 },
      refine: { of: 'dataset', preview: { readRows: 1 } },
    });
    expect(odd).toMatchObject({ verdict: { kind: 'quarantined', rule: 'manifest-invalid' } });
  });

  it('waits for the other source of the pipeline', async () => {
    const api = await planned((spec) => spec.sources.push({ ...spec.sources[0]!, name: 'labels', path: 'bronze/labels/' }));

    const { body } = await api.plan(HEADER + rowsOf(1), '?source=in');

    expect(body.verdict).toMatchObject({ kind: 'incomplete', rule: 'waiting-for-source' });
    expect(body.verdict.reason).toContain('labels');
    expect((await api.plan(HEADER, '')).body).toMatchObject({ code: 'plan-source', status: 422 });
  });
});

describe('a request for a plan', () => {
  it.each([
    ['with two', HEADER, '?path=scratch/x.csv', 'plan-file'],
    ['for a source that is not there', HEADER, '?source=other', 'plan-source'],
    ['for a path that leads elsewhere', undefined, '?path=a/../b', 'query-invalid'],
  ])('%s is refused', async (_, raw, query, code) => {
    const { plan } = await planned();

    expect((await plan(raw, query)).body).toMatchObject({ code });
  });

  it('needs the role for this pipeline', async () => {
    const { plan } = await planned();

    expect((await plan(HEADER, '', 'rita/reader')).status).toBe(403);
    expect((await plan(HEADER, '', 'ola/operator:other')).status).toBe(403);
    expect((await plan(HEADER + rowsOf(1), '', 'ola/operator:p')).status).toBe(200);
  });

  it('is cut off where the file is too large', async () => {
    const { plan, deps } = await planned();
    const part = Buffer.alloc(1024 * 1024, 'x');

    const { status, body } = await plan(Buffer.concat(Array.from({ length: 65 }, () => part)));

    expect([status, body.code]).toEqual([413, 'body-too-large']);
    expect(await deps.audit.list(at.slice(0, 10), 10)).toEqual([]);
  });

  it('says of rows on the premises that the lake gets the manifest, and what becomes of that', async () => {
    const { plan, version, deps } = await planned((spec, sql) => {
      spec.data = 'on-premises';
      Object.assign(sql, { silver: 'SELECT uri, bytes, sha256 FROM manifest', gold: 'SELECT * FROM silver ORDER BY uri' });
    });
    const files = [{ path: 'site://plant/a.csv', sha256: sha256('abc') }];
    const manifest = JSON.stringify({ dataset: 'd', files: [{ uri: files[0]!.path, bytes: 3, sha256: files[0]!.sha256 }] });

    const { body } = await plan(manifest, '?as=m.json');

    expect(body).toMatchObject({
      verdict: { kind: 'accepted' },
      starts: true,
      refine: {
        of: 'dataset',
        files: 1,
        preview: { refused: null, onPremises: true, readRows: 1, layers: [{}, { layer: 'gold', rowsAfter: 1 }] },
      },
      notes: [expect.stringContaining('premises') as string],
    });
    // The same files in a manifest written otherwise are the same work.
    const key = refineKey({ pipeline: 'p', contractDigest: version.digest, files });
    const done = runOf('refine', 'done', { pipeline: 'p', key, status: 'succeeded', runId: `refine-p-${key.slice(0, 16)}-a1` });
    await deps.runs.open(done);
    expect((await plan(`${manifest}\n`, '?as=other.json')).body).toMatchObject({ starts: false, doneBy: expect.any(String) as string });
    expect((await plan('{}', '?as=m.json')).body.verdict).toMatchObject({ kind: 'quarantined', rule: 'manifest-invalid' });
    const rows = (await plan('a,b\n1,2\n', '?as=rows.csv')).body.verdict;
    expect(JSON.stringify(rows)).toContain('it is not JSON; files that stay on the premises are described by: sluice manifest');
  });
});

describe('every store is as it was', () => {
  it('byte for byte: tables, blobs, queues, Durable', async () => {
    const world = await storageWorld();
    const api = await world.api();
    const before = await world.snapshot();

    const answers = [];
    for (const [raw, query] of [
      [HEADER + rowsOf(2, 50), '?as=c.csv'],
      ['no header at all', '?as=d.csv'],
      [HEADER + rowsOf(1), '?as=_d.csv'],
      [undefined, '?path=scratch/x.csv'],
    ] as const) {
      const reply = await api.send('POST', `pipelines/p/plan${query}`, raw === undefined ? {} : { raw });
      answers.push((reply.body as Plan).verdict.rule);
    }
    await api.send('GET', 'why?subject=bronze/p/a.csv');

    expect(answers).toEqual(['dataset-closed', 'wrong-header', 'temporary-name', 'dataset-closed']);
    expect(await world.snapshot()).toEqual(before);
    expect(Object.keys(before).sort()).toEqual(['blobs', 'durable', 'queue', 'tables']);
    expect(Object.values(before).every((part) => part.length > 0)).toBe(true);
    expect(api.started).toEqual([]);
    expect(await world.rig.leftovers()).toEqual([]);
  });

  it('reads the entity that the stories write', () => {
    expect(WINDOW_ENTITY).toBe(WINDOW);
  });
});

/** The real adapters over the test run's storage account, a queue with a message, and an engine with the counting entity. */
async function storageWorld() {
  const connection = inject('storage');
  const rig: Rig = await makeStorageRig();
  const service = BlobServiceClient.fromConnectionString(connection);
  const prefix = `t${randomBytes(6).toString('hex')}`;
  const tables = openTables({ connectionString: connection }, prefix);
  await tables.ensureTables();
  const storeContainer = service.getContainerClient(`store-${prefix}`);
  await storeContainer.create();
  const store = createStore(service, storeContainer.containerName);
  const stores = createTableStores(tables, store);
  const messages = new QueueClient(connection, prefix);
  await messages.create();
  await messages.sendMessage('waiting');
  const engineStore = createEngineStore();
  const host = await createTestHost({ app: () => df.app.entity(WINDOW, windowEntity), store: engineStore });
  onTestFinished(async () => {
    await host.stop();
    await Promise.all([storeContainer.delete(), rig.container.delete(), messages.delete()]);
  });
  const version = pipelineOf();
  version.spec.complete = 'files 3';
  const lake = { account: 'lake', container: rig.name };

  return {
    rig,
    async api() {
      await stores.pipelines.put(version, { file: 'f', sql: { 'silver.sql': 's' }, images: {} }, 'ada', at);
      await rig.refine(version, 'bronze/p/old.csv', HEADER + rowsOf(3, 90));
      await rig.land('scratch/x.csv', HEADER + rowsOf(1));
      for (const [index, name] of ['a.csv', 'b.csv'].entries()) {
        const { path, sha256: content } = await rig.land(`bronze/p/${name}`, HEADER + rowsOf(1, index + 1));
        const place = { ...lake, path };
        const entry = entryOf(place, name, { pipeline: 'p' });
        await stores.ledger.record(place, entry, null, null);
        const row = memberOf(entry, index + 1, { path, sha256: content });
        await stores.ledger.amend(place, entry.entryId, { member: { window: windowIdOf('p', 'in', 1), row } });
        const add = { entryId: entry.entryId, path, sha256: content, eventTime: at, now: at, mark: null, expects: null, lateness: null };
        await host.signal(WINDOW, 'p.in', 'add', { add });
      }
      await host.settle();
      return createApi({
        ...stores,
        store,
        lake,
        engine: rig.engine,
        files: createLake(service, { container: rig.name }),
        windowsOf: () => ({
          window: async (pipeline, source) => ((await host.entity(WINDOW, `${pipeline}.${source}`)) as WindowState | undefined) ?? null,
          join: async () => null,
        }),
      });
    },
    async snapshot(): Promise<Record<'tables' | 'blobs' | 'queue' | 'durable', string[]>> {
      await host.settle();
      const { peekedMessageItems } = await messages.peekMessages({ numberOfMessages: 32 });
      return {
        tables: await tableRows(connection, prefix),
        blobs: [...(await blobsOf(rig.container)), ...(await blobsOf(storeContainer))],
        queue: peekedMessageItems.map(({ messageId, messageText, dequeueCount }) => `${messageId} ${messageText} ${dequeueCount}`),
        durable: [...engineStore.all()].map((state) => JSON.stringify(state)),
      };
    },
  };
}

async function tableRows(connection: string, prefix: string): Promise<string[]> {
  const service = TableServiceClient.fromConnectionString(connection, { allowInsecureConnection: true });
  const rows: string[] = [];
  for await (const { name } of service.listTables()) {
    if (!name?.startsWith(prefix)) continue;
    const table = TableClient.fromConnectionString(connection, name, { allowInsecureConnection: true });
    rows.push(name);
    for await (const row of table.listEntities()) rows.push(JSON.stringify(row));
  }
  return rows;
}

async function blobsOf(container: ContainerClient): Promise<string[]> {
  const blobs: string[] = [];
  for await (const { name, properties } of container.listBlobsFlat({ includeMetadata: true })) {
    const content = await container.getBlobClient(name).downloadToBuffer();
    const { etag, lastModified } = properties;
    blobs.push(`${name} ${etag} ${lastModified.toISOString()} ${createHash('sha256').update(content).digest('hex')}`);
  }
  return blobs;
}

describe('a plan where a larger engine is configured', () => {
  const policy = (aboveBytes: number) => ({
    policy: {
      pollFirstSeconds: 1,
      pollMaxSeconds: 2,
      signedUrlSeconds: 900,
      handOver: { aboveBytes, to: 'data-factory' as const, by: 'refine-large', deadline: '6h' },
    },
  });

  it('says who would refine, and does not try here what would be handed over', async () => {
    const api = await planned(undefined, policy(1000));
    await api.rig.land('scratch/big.csv', HEADER + rowsOf(100));

    const small = (await api.plan(HEADER + rowsOf(2))).body;
    const large = (await api.plan(undefined, '?path=scratch/big.csv')).body;

    expect(small).toMatchObject({ engine: { engine: 'embedded' }, refine: { preview: { readRows: 2 } }, starts: true });
    expect(large).toMatchObject({
      engine: { engine: 'data-factory', reason: '1 file of about 0.0 MB, above 0.0 MB' },
      refine: null,
      starts: true,
    });
    expect(large.notes.join()).toContain('handed over to data-factory');
  });

  it('of a file that is sent tells both: who would refine, and what refining gives', async () => {
    const api = await planned(undefined, policy(0));

    expect((await api.plan(HEADER + rowsOf(2))).body).toMatchObject({
      engine: { engine: 'data-factory' },
      refine: { preview: { readRows: 2 } },
    });
  });
});
