// What one commit file says about who made it and what for, for those who only watch tables: no table is opened, nothing else is read.
import { RejectedError } from '../../../errors/errors.ts';
import { parseCommit, type Actions } from './actions.ts';

export interface CommitEntry {
  /** Transactions of the commit; ours begin with `sluice-`. At most 100. */
  txns: { appId: string; version: number }[];
  operation: string | null;
  /** Causal chain that our writers note, oldest first; empty for others. At most 32 texts. */
  chain: string[];
  /** Run that made it; null for others. */
  runId: string | null;
  /** Rows changed: false for compaction, vacuum, and changes of properties. */
  dataChange: boolean;
  /** It only added files, and read nothing. */
  blindAppend: boolean;
  addedFiles: number;
  removedFiles: number;
}

/** Largest text that is looked at. */
const MAX_CHARS = 64 * 1024 * 1024;
const MAX_TXNS = 100;
const MAX_CHAIN = 32;
const MAX_TEXT = 200;

/** Reads the text of `_delta_log/<version>.json`. Rejects `delta-log-corrupt`, `table-invalid`, `file-too-large`. */
export function readCommitEntry(text: string, file = 'the commit'): CommitEntry {
  if (text.length > MAX_CHARS)
    throw new RejectedError('file-too-large', `${file}: larger than the ${MAX_CHARS} characters that are read here.`);
  return entryOf(parseCommit(text, file));
}

/** The same of a commit that was parsed already. */
export function entryOf(actions: Actions): CommitEntry {
  const { chain, runId } = noteOf(actions.info);
  return {
    txns: actions.txns.slice(0, MAX_TXNS).map(({ appId, version }) => ({ appId: appId.slice(0, MAX_TEXT), version })),
    operation: actions.info?.operation?.slice(0, MAX_TEXT) ?? null,
    chain,
    runId,
    dataChange: [...actions.adds, ...actions.removes].some((file) => file.dataChange),
    blindAppend: actions.info?.isBlindAppend === true && actions.removes.length === 0,
    addedFiles: actions.adds.length,
    removedFiles: actions.removes.length,
  };
}

/**
 * `commitInfo.sluice`, or `userMetadata` as {"sluice": …} of engines that cannot name a field of their own. Anybody can write both: they
 * are taken only in the form that we write.
 */
export function noteOf(info: Actions['info']): { chain: string[]; runId: string | null; readRows: number | null } {
  const sluice = info?.sluice ?? sluiceIn(info?.userMetadata ?? '');
  if (typeof sluice !== 'object' || sluice === null) return { chain: [], runId: null, readRows: null };
  const { chain, runId, readRows } = sluice as { chain?: unknown; runId?: unknown; readRows?: unknown };
  const good =
    Array.isArray(chain) && chain.length <= MAX_CHAIN && chain.every((link) => typeof link === 'string' && link.length <= MAX_TEXT);
  return {
    chain: good ? (chain as string[]) : [],
    runId: typeof runId === 'string' && runId.length <= MAX_TEXT ? runId : null,
    readRows: Number.isSafeInteger(readRows) && (readRows as number) >= 0 ? (readRows as number) : null,
  };
}

function sluiceIn(userMetadata: string): unknown {
  if (!userMetadata.startsWith('{') || userMetadata.length > 20_000) return null;
  try {
    return (JSON.parse(userMetadata) as { sluice?: unknown }).sluice;
  } catch {
    return null;
  }
}
