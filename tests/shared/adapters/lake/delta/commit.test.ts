// Commits to a table's log, alone and against each other: no version lost, no transaction twice, refusals by name.
import { randomUUID } from 'node:crypto';
import { describe, expect, inject, it } from 'vitest';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { commitChange, type Change } from '../../../../../shared/adapters/lake/delta/commit.ts';
import { readSnapshot, type DeltaTable } from '../../../../../shared/adapters/lake/delta/snapshot.ts';
import { blobStorage } from '../../../../../shared/adapters/lake/delta/table-storage.ts';
import { memoryStorage, sha256, type MemoryStorage } from './memory-storage.ts';
import { makeFaultyStorage } from '../faulty-storage.ts';

const service = BlobServiceClient.fromConnectionString(inject('storage'));
const LOG = 'silver/p/t/_delta_log/';
const ROOT = 'silver/p/t/';
const FIELD = { name: 'a', type: 'long', nullable: true, metadata: {} };

const withoutCheckpoint = async () => Promise.reject(new Error('there is no checkpoint here'));

function emptyTable(): DeltaTable & { storage: MemoryStorage } {
  return { storage: memoryStorage(), root: ROOT, readCheckpoint: withoutCheckpoint };
}

async function emptyContainer(): Promise<ContainerClient> {
  const name = `log-${randomUUID()}`;
  await service.createContainer(name);
  return service.getContainerClient(name);
}

function at(container: ContainerClient): DeltaTable {
  return { storage: blobStorage(container), root: ROOT, readCheckpoint: withoutCheckpoint };
}

function change(appId: string, parts: Partial<Change> = {}): Change {
  const sha = sha256(appId);
  const file = { path: `part-${sha.slice(0, 32)}.parquet`, bytes: 10, rows: 1, sha256: sha, stats: '{"numRecords":1}' };
  return { appId, mode: 'append', fields: [FIELD], files: [file], facts: {}, origin: 'silver.sql', ...parts };
}

const commit = (table: DeltaTable, each: Change) => commitChange(table, each, Date.now);

/** Writes a commit as another client would. */
async function foreign(table: DeltaTable, version: number, ...actions: unknown[]): Promise<void> {
  const text = actions.map((action) => (typeof action === 'string' ? action : JSON.stringify(action))).join('\n');
  const name = `${ROOT}_delta_log/${String(version).padStart(20, '0')}.json`;
  await table.storage.put(name, Buffer.from(text), 'application/json');
}

const META = {
  id: randomUUID(),
  format: { provider: 'parquet', options: {} },
  schemaString: JSON.stringify({ type: 'struct', fields: [FIELD] }),
  partitionColumns: [],
  configuration: {},
};
const add = (path: string, more: object = {}) => ({
  add: { path, partitionValues: {}, size: 1, modificationTime: 1, dataChange: true, ...more },
});

describe('writers at once', () => {
  it('lose no commit: every one of 20 finds its version', async () => {
    for (let round = 0; round < 2; round += 1) {
      const table = at(await emptyContainer());
      const ids = Array.from({ length: 10 }, (_, n) => `writer-${round}-${n}`);

      const answers = await Promise.all(ids.map(async (id) => commit(table, change(id))));

      expect(answers.map((answer) => answer.state)).toEqual(ids.map(() => 'committed'));
      const snapshot = (await readSnapshot(table))!;
      expect([snapshot.version, snapshot.files.size, snapshot.txns.size]).toEqual([9, 10, 10]);
      expect(new Set([...snapshot.txns.values()].map((txn) => txn.committedIn)).size).toBe(10);
    }
  });

  it('of the same transaction commit once', async () => {
    const table = at(await emptyContainer());

    const answers = await Promise.all(Array.from({ length: 8 }, async () => commit(table, change('one'))));

    expect(answers.map((answer) => answer.state).sort()).toEqual(['committed', ...Array.from({ length: 7 }, () => 'found')]);
    expect((await readSnapshot(table))!.version).toBe(0);
  });
});

describe('a commit whose answer is lost', () => {
  it('is known as our own when the SDK repeats it and finds the version taken', async () => {
    const container = await emptyContainer();
    const storage = await makeFaultyStorage(3);
    const lost = storage.once(/PUT .*\/_delta_log\//, 'lose');

    const answer = await commit(at(storage.service.getContainerClient(container.containerName)), change('ours'));

    expect([lost.met, answer.state]).toEqual([1, 'committed']);
    expect((await readSnapshot(at(container)))!.version).toBe(0);
  });
});

describe('an overwrite computed from an older version', () => {
  it('is handed back when files, schema or protocol changed since, and goes on over mere transactions', async () => {
    const table = emptyTable();
    await commit(table, change('one'));
    await commit(table, change('two'));

    const conflict = await commit(table, change('three', { mode: 'overwrite', basis: 0 }));
    await foreign(table, 2, { commitInfo: { operation: 'STREAMING UPDATE' } }, { txn: { appId: 'theirs', version: 7 } });
    const fine = await commit(table, change('three', { mode: 'overwrite', basis: 1 }));

    expect(conflict).toEqual({ state: 'conflict', reason: 'version 1 (WRITE) changed the table since version 0 was read' });
    expect(fine).toMatchObject({ state: 'committed', snapshot: { version: 3 } });
    expect([...(await readSnapshot(table))!.files.keys()]).toEqual(change('three').files.map((file) => file.path));
  });
});

describe('a commit that somebody else comes before', () => {
  const log = (version: number) => `${LOG}${String(version).padStart(20, '0')}.json`;
  const nothing = async () => Promise.resolve();

  /** The table at version 0, and a commit of another client that takes version 1 just before ours does. */
  async function overtaken(...actions: unknown[]): Promise<ReturnType<typeof emptyTable>> {
    const table = emptyTable();
    await commit(table, change('first'));
    table.storage.turn = async (call) => {
      if (call !== `PUT ${log(1)}`) return;
      table.storage.turn = nothing;
      await foreign(table, 1, ...actions);
    };
    return table;
  }
  const metaOf = (more: object) => ({ metaData: { ...META, ...more } });
  const other = JSON.stringify({ type: 'struct', fields: [{ ...FIELD, type: 'string' }] });

  it('goes on over files, transactions and properties', async () => {
    const table = await overtaken(
      add('theirs'),
      { txn: { appId: 'theirs', version: 1 } },
      metaOf({ configuration: { 'delta.checkpointInterval': '5' } }),
    );

    expect(await commit(table, change('ours'))).toMatchObject({ state: 'committed', snapshot: { version: 2 } });
  });

  it.each([
    ['another schema', metaOf({ schemaString: other }), 'schema-changed'],
    ['other partitions', metaOf({ partitionColumns: ['a'] }), 'bad-partition'],
    ['another protocol', { protocol: { minReaderVersion: 1, minWriterVersion: 4 } }, 'table-unsupported'],
    ['a file that cannot be replaced', metaOf({ configuration: { 'delta.appendOnly': 'true' } }), 'append-only'],
  ])('is refused over %s', async (_, action, code) => {
    const table = await overtaken(action);
    const mode = code === 'append-only' ? 'overwrite' : 'append';

    await expect(commit(table, change('ours', { mode }))).rejects.toMatchObject({ name: 'RejectedError', code });
    expect(table.storage.files.has(log(2))).toBe(false);
  });

  it('finds its own transaction when another process of ours was faster', async () => {
    const table = await overtaken(add('same'), { txn: { appId: 'ours', version: 1 } });

    expect(await commit(table, change('ours'))).toMatchObject({ state: 'found', snapshot: { version: 1 } });
  });

  it('gives up after thirty others, and says so', async () => {
    const table = emptyTable();
    await commit(table, change('first'));
    let version = 0;
    table.storage.turn = async (call) => {
      if (!call.startsWith(`PUT ${LOG}`)) return;
      version += 1;
      table.storage.files.set(log(version), { content: Buffer.from(JSON.stringify(add(`theirs-${version}`))), modified: 0 });
      return Promise.resolve();
    };

    await expect(commitChange(table, change('ours'), Date.now, nothing)).rejects.toMatchObject({
      name: 'TransientError',
      code: 'table-busy',
      message: expect.stringContaining('took 30 versions') as string,
    });
    expect(version).toBe(30);
  });
});

describe("another client's table", () => {
  const cases: [string, unknown[], string, RegExp][] = [
    [
      'column mapping',
      [{ protocol: { minReaderVersion: 2, minWriterVersion: 5 } }, { metaData: META }],
      'table-unsupported',
      /reader version 2 \(columnMapping\)/,
    ],
    [
      'deletion vectors',
      [
        {
          protocol: { minReaderVersion: 3, minWriterVersion: 7, readerFeatures: ['deletionVectors'], writerFeatures: ['deletionVectors'] },
        },
        { metaData: META },
      ],
      'table-unsupported',
      /reader version 3 \(deletionVectors\).*Mend:/,
    ],
    [
      'check constraints',
      [{ protocol: { minReaderVersion: 1, minWriterVersion: 3 } }, { metaData: META }],
      'table-unsupported',
      /writer version 3/,
    ],
    [
      'row tracking',
      [{ protocol: { minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ['rowTracking', 'appendOnly'] } }, { metaData: META }],
      'table-unsupported',
      /\(rowTracking\)/,
    ],
    [
      'partitions that our files do not have',
      [{ protocol: { minReaderVersion: 1, minWriterVersion: 2 } }, { metaData: { ...META, partitionColumns: ['a'] } }],
      'bad-partition',
      /was written for other partitions/,
    ],
    [
      'a timestamp_ntz that the protocol does not announce',
      [
        { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
        { metaData: { ...META, schemaString: JSON.stringify({ type: 'struct', fields: [{ ...FIELD, type: 'timestamp_ntz' }] }) } },
      ],
      'schema-changed',
      /timestamp_ntz/,
    ],
    [
      'an invariant',
      [
        { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
        {
          metaData: {
            ...META,
            schemaString: JSON.stringify({ type: 'struct', fields: [{ ...FIELD, metadata: { 'delta.invariants': '{}' } }] }),
          },
        },
      ],
      'table-unsupported',
      /column "a" has an invariant/,
    ],
    [
      'an unknown type',
      [
        { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
        { metaData: { ...META, schemaString: JSON.stringify({ type: 'struct', fields: [{ ...FIELD, type: 'variant' }] }) } },
      ],
      'table-unsupported',
      /column "a" has the type "variant"/,
    ],
    [
      'a hidden deletion vector',
      [{ protocol: { minReaderVersion: 1, minWriterVersion: 2 } }, { metaData: META }, add('x', { deletionVector: { storageType: 'u' } })],
      'table-invalid',
      /deletion vector/,
    ],
    ['no protocol', [{ metaData: META }], 'table-invalid', /no protocol action/],
    ['no metaData', [{ protocol: { minReaderVersion: 1, minWriterVersion: 2 } }], 'table-invalid', /no metaData action/],
    [
      'half a line',
      [{ protocol: { minReaderVersion: 1, minWriterVersion: 2 } }, { metaData: META }, '{"add":{"path":"x"'],
      'delta-log-corrupt',
      /0{20}\.json, line 3: it is not JSON/,
    ],
    ['an empty commit', [''], 'delta-log-corrupt', /the commit is empty/],
    [
      'an action of the wrong form',
      [{ protocol: { minReaderVersion: 'one', minWriterVersion: 2 } }],
      'table-invalid',
      /line 1: protocol\.minReaderVersion/,
    ],
    ['prototype keys', ['{"__proto__":{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}}'], 'table-invalid', /no protocol/],
  ];
  it.each(cases)('is refused by name, not half understood: %s', async (_, actions, code, words) => {
    const table = emptyTable();
    await foreign(table, 0, ...actions);

    await expect(commit(table, change('ours'))).rejects.toMatchObject({
      name: 'RejectedError',
      code,
      message: expect.stringMatching(words) as string,
    });
    expect(table.storage.files.has(`${LOG}00000000000000000001.json`)).toBe(false);
  });

  it('may not be overwritten when it is append-only, and takes appends', async () => {
    const table = emptyTable();
    await foreign(
      table,
      0,
      { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
      { metaData: { ...META, configuration: { 'delta.appendOnly': 'true' } } },
      add('x'),
    );

    await expect(commit(table, change('ours', { mode: 'overwrite' }))).rejects.toMatchObject({ code: 'append-only' });
    expect(await commit(table, change('ours'))).toMatchObject({ state: 'committed' });
  });

  it('with writer 7 that lists only what we know takes our commits', async () => {
    const table = emptyTable();
    await foreign(
      table,
      0,
      { protocol: { minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ['appendOnly', 'invariants'] } },
      { metaData: META },
    );

    expect(await commit(table, change('ours'))).toMatchObject({ state: 'committed', snapshot: { version: 1 } });
  });

  it('with a gap in its log is an error that names the missing file', async () => {
    const table = emptyTable();
    await foreign(table, 0, { protocol: { minReaderVersion: 1, minWriterVersion: 2 } }, { metaData: META });
    await foreign(table, 2, add('x'));

    await expect(readSnapshot(table)).rejects.toMatchObject({
      code: 'table-invalid',
      message: expect.stringMatching(/0{19}1\.json is missing/) as string,
    });
  });

  it('whose log begins later, with no checkpoint, is an error that says so', async () => {
    const table = emptyTable();
    await foreign(table, 3, { protocol: { minReaderVersion: 1, minWriterVersion: 2 } }, { metaData: META });

    await expect(readSnapshot(table)).rejects.toMatchObject({
      code: 'version-gone',
      message: expect.stringContaining('the log begins at 3') as string,
    });
  });

  it('keeps files that are no commits out of sight', async () => {
    const table = emptyTable();
    await commit(table, change('ours'));
    for (const name of [
      '00000000000000000001.json.tmp',
      '.00000000000000000001.json.crc',
      '00000000000000000000.crc',
      '1.json',
      '00000000000000000000.00000000000000000001.compacted.json',
    ])
      await table.storage.put(`${LOG}${name}`, Buffer.from('x'), 'text/plain');

    expect((await readSnapshot(table))!.version).toBe(0);
  });
});
