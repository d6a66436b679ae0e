// Reads a data folder: the newest snapshot, then the journals after it, in order.
// A torn last record is dropped; damage anywhere else refuses the folder, naming file and position, and changes nothing.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { applyPatch, isTerminal, type InstanceState } from './instance-state.ts';
import { readFrames, type Reading } from './journal-frames.ts';
import type { HistoryEvent } from './history-events.ts';
import { entryKinds } from './snapshot.ts';
import { historyOf, type Transaction } from './store.ts';

/** Where a history lies on disk, as JSON. */
export interface Located {
  path: string;
  at: number;
  length: number;
}

export interface Loaded {
  instances: Map<string, InstanceState>;
  touched: Map<string, number>;
  located: Map<string, Located>;
  lsn: number;
  snapshotBytes: number;
  /** The journal to go on with: its number, its good length, bytes of all journals, the number of the first. */
  journal: { number: number; length: number; bytes: number; first: number };
}

/** @throws Error naming file and position when a record other than the last is damaged, or a file of the sequence is missing. */
export async function loadFolder(dir: string): Promise<Loaded> {
  const names = readdirSync(dir);
  const numbers = (pattern: RegExp): number[] =>
    names
      .map((name) => Number(pattern.exec(name)?.[1] ?? 'NaN'))
      .filter(Number.isFinite)
      .sort((a, b) => a - b);
  const journals = numbers(/^journal-(\d{8})\.log$/);
  const snapshot = numbers(/^snapshot-(\d{8})\.snap$/).at(-1);
  const loaded: Loaded = {
    instances: new Map(),
    touched: new Map(),
    located: new Map(),
    lsn: 0,
    snapshotBytes: 0,
    journal: { number: snapshot ?? 1, length: 0, bytes: 0, first: Math.min(snapshot ?? 1, ...journals) },
  };
  if (snapshot !== undefined) readSnapshot(dir, names, snapshot, loaded);
  const needed = journals.filter((number) => number >= (snapshot ?? 1));
  needed.forEach((number, index) => {
    if (number !== (snapshot ?? 1) + index) {
      throw new Error(
        `${dir} lacks a journal: after number ${(snapshot ?? 1) + index - 1} comes ${number}. Restore the missing file, or move the folder away to start anew.`,
      );
    }
    readJournal(join(dir, fileOf(names, 'journal', number)), index === needed.length - 1, number, loaded);
  });
  return Promise.resolve(loaded);
}

const fileOf = (names: string[], kind: string, number: number): string =>
  names.find((name) => name.startsWith(`${kind}-${String(number).padStart(8, '0')}.`)) ?? '';

function readSnapshot(dir: string, names: string[], number: number, loaded: Loaded): void {
  const path = join(dir, fileOf(names, 'snapshot', number));
  const data = readFileSync(path);
  const reading = readFrames(data, (payload, payloadAt) => {
    if (payload[0] === entryKinds.counter) {
      loaded.lsn = Math.max(loaded.lsn, Number(payload.toString('utf8', 1)));
      return;
    }
    const at = 5 + payload.readUInt32LE(1);
    const { lsn, state } = JSON.parse(payload.toString('utf8', 5, at)) as { lsn: number; state: InstanceState };
    if (state.kind === 'orchestration') {
      if (isTerminal(state.status)) {
        state.history = undefined;
        loaded.located.set(state.id, { path, at: payloadAt + at, length: payload.length - at });
      } else {
        state.history = JSON.parse(payload.toString('utf8', at)) as HistoryEvent[];
      }
    }
    loaded.instances.set(state.id, state);
    loaded.touched.set(state.id, lsn);
    loaded.lsn = Math.max(loaded.lsn, lsn);
  });
  // A snapshot is renamed into place when it is complete: a cut one is damage, not a torn write.
  if (!reading.whole) throw damaged(path, reading, data.length);
  loaded.snapshotBytes = data.length;
}

function readJournal(path: string, last: boolean, number: number, loaded: Loaded): void {
  const data = readFileSync(path);
  const reading = readFrames(data, (payload) => {
    for (const { lsn, tx } of JSON.parse(payload.toString('utf8')) as { lsn: number; tx: Transaction }[]) apply(loaded, lsn, tx);
  });
  if (!reading.whole && (!last || reading.laterFrameAt !== undefined)) throw damaged(path, reading, data.length);
  loaded.journal.number = number;
  loaded.journal.length = reading.good;
  loaded.journal.bytes += reading.good;
}

function apply(loaded: Loaded, lsn: number, tx: Transaction): void {
  loaded.lsn = Math.max(loaded.lsn, lsn);
  for (const patch of tx) {
    if ((loaded.touched.get(patch.id) ?? 0) >= lsn) continue;
    const next = applyPatch(loaded.instances.get(patch.id), patch);
    if (!next || historyOf(next)) loaded.located.delete(patch.id);
    if (next) {
      loaded.instances.set(patch.id, next);
      loaded.touched.set(patch.id, lsn);
    } else {
      loaded.instances.delete(patch.id);
      loaded.touched.delete(patch.id);
    }
  }
}

function damaged(path: string, reading: Reading, size: number): Error {
  const later = reading.laterFrameAt === undefined ? '' : `; a whole record follows at byte ${reading.laterFrameAt}`;
  return new Error(
    `${path} is damaged at byte ${reading.good} of ${size}${later}. Nothing was changed. Restore the file from a backup, or move the folder away to start anew.`,
  );
}
