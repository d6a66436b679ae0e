// The store on disk: what is committed comes back, a torn tail is dropped, damage is refused, one host owns the folder.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventRaised, orchestratorStarted } from '../../../../local/host/durable/history-events.ts';
import type { InstancePatch } from '../../../../local/host/durable/instance-state.ts';
import { type DiskPort, nodeDisk } from '../../../../local/host/durable/journal-disk.ts';
import { newOrchestration } from '../../../../local/host/durable/orchestrator-turn.ts';
import { openJournalStore } from '../../../../local/host/durable/journal-store.ts';
import type { Store } from '../../../../local/host/durable/store.ts';

let dir: string;
const at = '2026-01-01T00:00:00.000Z';

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'journal-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const put = (id: string): InstancePatch => ({
  op: 'put',
  id,
  state: newOrchestration({ instanceId: id, executionId: 'e', name: 'n', version: null, input: '1', parent: null, generation: 0 }, at),
});
const send = (id: string, text: string): InstancePatch => ({
  op: 'send',
  id,
  message: { event: eventRaised('E', JSON.stringify(text), at) },
});
const finish = (id: string): InstancePatch => ({
  op: 'step',
  id,
  set: { status: 'Completed', output: '"done"', inbox: [] },
  consumed: 0,
  append: [orchestratorStarted(at), eventRaised('last', '"word"', at)],
});

async function filled(options: { compactBytes?: number } = {}): Promise<void> {
  const store = openJournalStore({ dir, ...options });
  await store.open();
  await store.commit([put('a')]);
  await store.commit([put('b'), send('a', 'one')]);
  await store.commit([send('a', 'two')]);
  await store.close();
}

async function opened(): Promise<Store> {
  const store = openJournalStore({ dir });
  await store.open();
  return store;
}

const inbox = (store: Store, id: string): unknown[] => {
  const state = store.get(id);
  return state?.kind === 'orchestration' ? state.inbox.map((message) => message.event.Input) : [];
};
const journal = (): string => join(dir, readdirSync(dir).find((name) => name.startsWith('journal')) ?? '');

describe('the journal', () => {
  test('gives back what was committed', async () => {
    await filled();

    const store = await opened();

    expect([...store.all()].map((state) => state.id)).toEqual(['a', 'b']);
    expect(inbox(store, 'a').slice(1)).toEqual(['"one"', '"two"']);
    await store.close();
  });

  test('drops a torn last record, whatever its length', async () => {
    await filled();
    const whole = readFileSync(journal());
    const before = statSync(journal()).size;
    for (let cut = 1; cut < 120; cut += 7) {
      writeFileSync(journal(), whole);
      truncateSync(journal(), before - cut);

      const store = await opened();

      expect(inbox(store, 'a').slice(1)).toEqual(['"one"']);
      await store.commit([send('a', 'again')]);
      await store.close();
      const again = await opened();
      expect(inbox(again, 'a').slice(1)).toEqual(['"one"', '"again"']);
      await again.close();
    }
  });

  test('drops a tail of zeros that a power cut left', async () => {
    await filled();
    writeFileSync(journal(), Buffer.concat([readFileSync(journal()), Buffer.alloc(700)]));

    const store = await opened();

    expect(inbox(store, 'a').slice(1)).toEqual(['"one"', '"two"']);
    await store.close();
  });

  test('refuses a damaged older record, naming file and position, and changes nothing', async () => {
    await filled();
    const bytes = readFileSync(journal());
    bytes[40] = (bytes[40] ?? 0) ^ 0xff;
    writeFileSync(journal(), bytes);

    const store = openJournalStore({ dir });

    await expect(store.open()).rejects.toThrow(
      /journal-00000001\.log is damaged at byte 8 .* a whole record follows at byte \d+\. Nothing was changed/,
    );
    expect(readFileSync(journal()).equals(bytes)).toBe(true);
    expect(existsSync(join(dir, 'lock'))).toBe(false);
  });

  test('refuses a folder that lacks a journal', async () => {
    await filled();
    writeFileSync(join(dir, 'journal-00000003.log'), readFileSync(journal()));

    await expect(openJournalStore({ dir }).open()).rejects.toThrow(/lacks a journal: after number 1 comes 3/);
  });
});

describe('the snapshot', () => {
  test('replaces journals, keeps histories of finished instances readable, and survives restarts', async () => {
    const store = openJournalStore({ dir, compactBytes: 2_000 });
    await store.open();
    for (let i = 0; i < 60; i += 1) {
      await store.commit([put(`i${i}`)]);
      if (i % 2 === 0) await store.commit([finish(`i${i}`)]);
    }
    await store.close();

    expect(readdirSync(dir).some((name) => name.startsWith('snapshot'))).toBe(true);
    const again = await opened();
    expect([...again.all()].length).toBe(60);
    const archived = [...again.all()].filter((state) => state.kind === 'orchestration' && state.history === undefined);
    expect(archived.length).toBeGreaterThan(5);
    for (const state of archived) expect((await again.history(state.id)).map((event) => event.Name)).toEqual([undefined, 'last']);
    await again.close();
  });

  test('does not apply a transaction twice that it contains already', async () => {
    const store = openJournalStore({ dir, compactBytes: 1_500 });
    await store.open();
    await store.commit([put('a')]);
    for (let i = 0; i < 50; i += 1) await store.commit([send('a', `m${i}`)]);
    const expected = inbox(store, 'a');
    await store.close();

    const again = await opened();

    expect(inbox(again, 'a')).toEqual(expected);
    await again.close();
  });

  test('holds instances of any size', async () => {
    const store = openJournalStore({ dir, compactBytes: 100_000 });
    await store.open();
    const ids = Array.from({ length: 300 }, (_, i) => 'i'.repeat(i + 1));
    for (const id of ids) await store.commit([put(id)]);
    await store.close();
    expect(readdirSync(dir).some((name) => name.startsWith('snapshot'))).toBe(true);

    const again = await opened();

    expect([...again.all()].map((state) => state.id)).toEqual(ids);
    await again.close();
  });

  test('refuses a damaged snapshot', async () => {
    const store = openJournalStore({ dir, compactBytes: 500 });
    await store.open();
    for (let i = 0; i < 20; i += 1) await store.commit([put(`i${i}`)]);
    await store.close();
    const file = join(dir, readdirSync(dir).find((name) => name.startsWith('snapshot')) ?? '');
    truncateSync(file, statSync(file).size - 3);

    await expect(openJournalStore({ dir }).open()).rejects.toThrow(/snapshot-\d+\.snap is damaged at byte \d+/);
  });
});

describe('the folder', () => {
  test('belongs to one host at a time', async () => {
    const store = await opened();

    await expect(openJournalStore({ dir }).open()).rejects.toThrow(new RegExp(`process id ${process.pid}, which is still running`));

    await store.close();
    await (await opened()).close();
  });

  test('is taken over from a process that is gone', async () => {
    const gone = spawnSync(process.execPath, ['-e', 'console.log(process.pid)']);
    writeFileSync(join(dir, 'lock'), JSON.stringify({ pid: Number(gone.stdout.toString()), started: null, token: 'x' }));

    const store = await opened();

    await store.close();
    expect(existsSync(join(dir, 'lock'))).toBe(false);
  });

  test('is taken over when the lock itself was torn', async () => {
    writeFileSync(join(dir, 'lock'), '{"pi');

    await (await opened()).close();
  });
});

describe('a full disk', () => {
  test('stops commits, loses nothing, and goes on when there is room', async () => {
    let full = false;
    const disk: DiskPort = {
      ...nodeDisk,
      async openAppend(path) {
        const file = await nodeDisk.openAppend(path);
        return {
          ...file,
          async write(bytes, position) {
            if (full) {
              await file.write(bytes.subarray(0, 5), position);
              throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
            }
            await file.write(bytes, position);
          },
        };
      },
    };
    const store = openJournalStore({ dir, disk });
    await store.open();
    await store.commit([put('a')]);
    full = true;

    let durable = false;
    const waiting = store.commit([send('a', 'kept')]).then(() => (durable = true));
    while (store.blocked() === undefined) await new Promise((resolve) => setTimeout(resolve, 5));

    expect(durable).toBe(false);
    expect(store.blocked()).toMatch(/cannot be written \(ENOSPC.*Nothing is lost/);
    full = false;
    await waiting;
    expect(store.blocked()).toBeUndefined();
    await store.close();
    const again = await opened();
    expect(inbox(again, 'a').slice(1)).toEqual(['"kept"']);
    await again.close();
  });
});
