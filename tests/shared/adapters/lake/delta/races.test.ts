// A thousand races of writers on one table, their calls interleaved by seeds alone: no commit is lost, no update overwritten, and
// what is left is what replaying the log gives.
import { describe, expect, it } from 'vitest';
import { noActions, type Add } from '../../../../../shared/adapters/lake/delta/actions.ts';
import { commitChange, type Change, type CommitAnswer, type Rewrite } from '../../../../../shared/adapters/lake/delta/commit.ts';
import { readSnapshot, type DeltaTable, type Snapshot } from '../../../../../shared/adapters/lake/delta/snapshot.ts';
import { memoryStorage, seededTurns, sha256 } from './memory-storage.ts';

const FIELD = { name: 'a', type: 'long', nullable: true, metadata: {} };
const RACES = 1000;

/** Files are called `<key>.<count>.<writer>`: all that a file holds is its name. */
const fileOf = (path: string) => ({ path, bytes: 1, rows: 1, sha256: sha256(path), stats: '{"numRecords":1}' });
const keyOf = (add: { path: string }) => add.path.split('.')[0]!;
const countOf = (add: { path: string }) => Number(add.path.split('.')[1]);
const filesIn = (snapshot: Snapshot | null) => [...(snapshot?.files.values() ?? [])];

interface Racer {
  table: DeltaTable;
  commit: (change: Change | Rewrite) => Promise<CommitAnswer>;
}

const base = (appId: string, path: string) => ({ appId, fields: [FIELD], files: [fileOf(path)], facts: {}, origin: 'silver.sql' });

async function append({ commit }: Racer, id: string): Promise<void> {
  const answer = await commit({ ...base(id, `row.1.${id}`), mode: 'append' });
  expect(answer.state).toBe('committed');
}

/** Reads the whole table, and replaces it by one file that counts all; until nobody came in between. */
async function sumUp({ table, commit }: Racer, id: string): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    const snapshot = await readSnapshot(table);
    const sum = filesIn(snapshot).reduce((all, file) => all + countOf(file), 1);
    const change = { ...base(id, `row.${sum}.${id}-${tries}`), mode: 'overwrite' as const, basis: snapshot?.version ?? -1 };
    const answer = await commit(change);
    if (answer.state === 'committed') return;
    expect(answer.state).toBe('conflict');
  }
}

/** Reads one key's file, and replaces it by one that counts one more; other keys do not matter to it. */
async function countUp({ table, commit }: Racer, id: string, key: string): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    const snapshot = await readSnapshot(table);
    const old = filesIn(snapshot).filter((file) => keyOf(file) === key);
    const sum = old.reduce((all, file) => all + countOf(file), 1);
    const answer = await commit({
      ...base(id, `${key}.${sum}.${id}-${tries}`),
      mode: 'rewrite',
      operation: 'MERGE',
      predicate: key,
      basis: snapshot?.version ?? -1,
      removes: old,
      touches: async (adds: Add[]) => Promise.resolve(adds.some((file) => keyOf(file) === key)),
    });
    if (answer.state === 'committed') return;
    expect(answer.state).toBe('conflict');
  }
}

async function race(seed: number, writers: ((racer: Racer) => Promise<void>)[]): Promise<Snapshot> {
  const storage = memoryStorage();
  const turns = seededTurns(seed);
  storage.turn = turns.turn;
  const readCheckpoint = async () => Promise.resolve(noActions());
  const table: DeltaTable = { storage, root: 't/', readCheckpoint };
  const commit = async (change: Change | Rewrite) => commitChange(table, change, () => storage.now, turns.pause);
  await turns.run(Promise.all(writers.map(async (writer) => writer({ table, commit }))));
  storage.turn = async () => Promise.resolve();
  const snapshot = (await readSnapshot(table))!;
  // By a replay of its own: active files, and each transaction in exactly one commit.
  const active = new Set<string>();
  const ids: string[] = [];
  for (const name of [...storage.files.keys()].sort())
    for (const line of storage.text(name).trimEnd().split('\n')) {
      const action = JSON.parse(line) as Record<string, { path: string; appId: string } | undefined>;
      if (action['remove']) expect(active.delete(action['remove'].path)).toBe(true);
      if (action['add']) active.add(action['add'].path);
      if (action['txn']) ids.push(action['txn'].appId);
    }
  expect([...snapshot.files.keys()].sort()).toEqual([...active].sort());
  expect(new Set(ids).size).toBe(writers.length);
  expect(ids).toHaveLength(writers.length);
  return snapshot;
}

const sumOf = (files: Add[]) => files.reduce((all, file) => all + countOf(file), 0);

describe(`${RACES} races of writers`, () => {
  it('lose no commit and no update', async () => {
    const orders = new Set<string>();
    for (let seed = 0; seed < RACES; seed += 1) {
      const [mode, many] = [seed % 3, 2 + (seed % 4)];
      const ids = Array.from({ length: many }, (_, n) => `w${n}`);
      const snapshot = await race(
        seed,
        ids.map((id, n) => async (racer: Racer) => {
          if (mode === 0) return append(racer, id);
          if (mode === 1) return n % 2 === 0 ? sumUp(racer, id) : append(racer, id);
          return n === 3 ? append(racer, id) : countUp(racer, id, `k${n % 2}`);
        }),
      );

      // Each writer counts one thing once: less would be a lost update, more one done twice.
      expect(sumOf(filesIn(snapshot))).toBe(many);
      if (mode === 2)
        for (const key of ['k0', 'k1']) expect(filesIn(snapshot).filter((file) => keyOf(file) === key).length).toBeLessThanOrEqual(1);
      orders.add(
        [...snapshot.txns]
          .sort()
          .map(([, txn]) => txn.committedIn)
          .join(),
      );
    }
    // The seeds do make different races.
    expect(orders.size).toBeGreaterThan(50);
  });

  it('of one transaction commit it once', async () => {
    for (let seed = 0; seed < 200; seed += 1) {
      const storage = memoryStorage();
      const turns = seededTurns(seed);
      storage.turn = turns.turn;
      const table: DeltaTable = { storage, root: 't/', readCheckpoint: async () => Promise.resolve(noActions()) };
      const same = { ...base('one', 'row.1.one'), mode: 'append' as const };

      const answers = await turns.run(Promise.all([1, 2, 3].map(async () => commitChange(table, same, () => 0, turns.pause))));

      expect(answers.map((answer) => answer.state).sort()).toEqual(['committed', 'found', 'found']);
      expect(storage.files.size).toBe(1);
    }
  });
});
