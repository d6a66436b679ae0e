// A snapshot: every instance in one file, written while work goes on. Each entry carries the number of the last transaction in it,
// so that the journal after it is not applied twice. Histories of finished instances stay on disk from then on.
import { join } from 'node:path';
import { isTerminal, type InstanceState } from './instance-state.ts';
import type { DiskPort } from './journal-disk.ts';
import { encodeFrame, magic } from './journal-frames.ts';
import type { Located } from './journal-load.ts';
import { snapshotName } from './journal-writer.ts';

interface Source {
  instances: ReadonlyMap<string, InstanceState>;
  lsnOf(id: string): number;
  locate(id: string): Located | undefined;
  lsn(): number;
}

/** How many bytes are gathered before they are written and others get a turn. */
const chunkBytes = 256 * 1024;

/** The first byte of a payload says what it is. */
export const entryKinds = { counter: 0, instance: 1 } as const;

/**
 * One instance's payload: kind (1 byte), length of the head (4 bytes), head as JSON `{lsn, state}`, history as JSON.
 * The two are apart so that a start reads heads only.
 */
export function encodeEntry(lsn: number, state: InstanceState, history: Buffer): { payload: Buffer; historyAt: number } {
  const bare = state.kind === 'orchestration' ? { ...state, history: undefined } : state;
  const head = Buffer.from(JSON.stringify({ lsn, state: bare }), 'utf8');
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(entryKinds.instance, 0);
  prefix.writeUInt32LE(head.length, 1);
  return { payload: Buffer.concat([prefix, head, history]), historyAt: prefix.length + head.length };
}

export interface Written {
  bytes: number;
  /** Finished instances whose history can be dropped from memory, if they were not touched since. */
  histories: Map<string, { located: Located; lsn: number }>;
}

/** Writes `snapshot-<number>`, which replaces all journals before that number. */
export async function writeSnapshot(disk: DiskPort, dir: string, number: number, source: Source): Promise<Written> {
  const path = join(dir, snapshotName(number));
  const draft = `${path}.draft`;
  await disk.unlink(draft).catch(() => undefined);
  const file = await disk.openAppend(draft);
  const histories: Written['histories'] = new Map();
  let at = 0;
  let chunk: Buffer[] = [];
  let gathered = 0;
  const put = async (bytes: Buffer): Promise<void> => {
    chunk.push(bytes);
    gathered += bytes.length;
    if (gathered < chunkBytes) return;
    await drain();
  };
  const drain = async (): Promise<void> => {
    await file.write(Buffer.concat(chunk), at);
    at += gathered;
    chunk = [];
    gathered = 0;
  };
  try {
    await put(magic);
    // A counter first, so that numbers go on rising even when the last transactions deleted instances.
    await put(encodeFrame(Buffer.concat([Buffer.from([entryKinds.counter]), Buffer.from(String(source.lsn()), 'utf8')])));
    for (const id of [...source.instances.keys()]) {
      const first = source.instances.get(id);
      if (!first) continue;
      const located = source.locate(id);
      const onDisk = first.kind === 'orchestration' && first.history === undefined && located ? await disk.readAt(located) : undefined;
      const state = source.instances.get(id);
      if (!state) continue;
      const history =
        state.kind !== 'orchestration' ? empty : state.history ? Buffer.from(JSON.stringify(state.history), 'utf8') : (onDisk ?? empty);
      const lsn = source.lsnOf(id);
      const { payload, historyAt } = encodeEntry(lsn, state, history);
      const frame = encodeFrame(payload);
      if (state.kind === 'orchestration' && isTerminal(state.status)) {
        const start = at + gathered + (frame.length - payload.length) + historyAt;
        histories.set(id, { located: { path, at: start, length: history.length }, lsn });
      }
      await put(frame);
    }
    await drain();
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(draft, path);
  await disk.syncFolder(dir);
  return { bytes: at, histories };
}

const empty = Buffer.alloc(0);
