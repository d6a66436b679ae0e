// A window as the entity keeps it: adding a member, closing, settling. Pure, so that the entity is one line and every race can be tested.
import type { LatePolicy, WindowState } from '../contracts/windows.ts';
import { sha256Hex } from './digest.ts';

const EMPTY = '0'.repeat(64);
/** Partitions are at most 500; what is beyond is no partition of the rule. */
const MAX_MARKS = 501;

export interface AddRequest {
  entryId: string;
  path: string;
  sha256: string;
  /** When the event says that it happened. */
  eventTime: string;
  now: string;
  /** The partition that the file belongs to, or `manifest`. */
  mark: string | null;
  /** Files that this file, a manifest, lists. */
  expects: number | null;
  lateness: LatePolicy | null;
}

/** Where an event went. `alone`: it is refined by itself; `nowhere`: it came too late. */
export type AddAnswer =
  | { placed: 'window'; late: Late | null; opened: boolean; ordinal: number; window: WindowState }
  | { placed: 'alone'; late: Late }
  | { placed: 'nowhere'; late: Late };

/** The dataset that an event came too late for. */
export interface Late {
  number: number;
  closedAt: string;
  /** Seconds from the close until it came. */
  bySeconds: number;
}

export function emptyWindow(): WindowState {
  return {
    number: 1,
    count: 0,
    digest: EMPTY,
    openedAt: null,
    lastAt: null,
    marks: [],
    expects: null,
    closed: null,
    settled: 0,
    carried: 0,
  };
}

export function windowIdOf(pipeline: string, source: string, number: number): string {
  return `${pipeline}.${source}.${number}`;
}

/** What a member adds to the digest of its window: the digest of all is the same in any order. */
export function memberDigest(member: { entryId: string; path: string; sha256: string }): string {
  return sha256Hex(`${member.entryId}\n${member.path}\n${member.sha256}`);
}

/** The digest with one member more. */
export function digestWith(digest: string, member: string): string {
  const mixed = BigInt(`0x${digest}`) ^ BigInt(`0x${member}`);
  return mixed.toString(16).padStart(64, '0');
}

export function addMember(before: WindowState | null, add: AddRequest): { state: WindowState; answer: AddAnswer } {
  const state = before ?? emptyWindow();
  const late = lateness(state, add);
  if (late && add.lateness) {
    if (late.bySeconds > add.lateness.allowedSeconds || add.lateness.then === 'refuse')
      return { state, answer: { placed: 'nowhere', late } };
    if (add.lateness.then === 'patch') return { state, answer: { placed: 'alone', late } };
  }
  const opened = state.count === 0;
  const mark = add.mark !== null && !state.marks.includes(add.mark) && state.marks.length < MAX_MARKS ? [add.mark] : [];
  const window: WindowState = {
    ...state,
    count: state.count + 1,
    digest: digestWith(state.digest, memberDigest(add)),
    openedAt: state.openedAt ?? add.now,
    lastAt: add.now,
    marks: [...state.marks, ...mark],
    expects: add.expects ?? state.expects,
  };
  return { state: window, answer: { placed: 'window', late: add.lateness ? late : null, opened, ordinal: window.count, window } };
}

/** Only who has a policy for it asks: without one, whatever comes after the close belongs to the next dataset. */
function lateness({ closed }: WindowState, add: AddRequest): Late | null {
  if (!closed || Date.parse(add.eventTime) > Date.parse(closed.at)) return null;
  const bySeconds = Math.max(0, Math.round((Date.parse(add.now) - Date.parse(closed.at)) / 1000));
  return { number: closed.number, closedAt: closed.at, bySeconds };
}

export interface CloseRequest {
  number: number;
  /** Close only if it still has so many members; null: whatever it has. */
  ifCount: number | null;
  at: string;
}

/** `window` is what was closed when it was won, else the window as it is. */
export interface CloseAnswer {
  won: boolean;
  window: WindowState;
}

/** Closes the window for exactly one asker; the next one is open at once. */
export function closeWindow(before: WindowState | null, ask: CloseRequest): { state: WindowState; answer: CloseAnswer } {
  const state = before ?? emptyWindow();
  const may = state.number === ask.number && state.count > 0 && (ask.ifCount === null || ask.ifCount === state.count);
  if (!may) return { state, answer: { won: false, window: state } };
  const next = { ...emptyWindow(), number: state.number + 1, closed: { number: state.number, at: ask.at }, settled: state.settled };
  return { state: next, answer: { won: true, window: state } };
}

/** Notes that the members of a window have got their verdicts; windows may be settled out of order, and the newest counts. */
export function settleWindow(before: WindowState | null, number: number, carried: number): WindowState {
  const state = before ?? emptyWindow();
  const isNext = state.number === number + 1;
  return { ...state, settled: Math.max(state.settled, number), carried: isNext ? state.carried + carried : state.carried };
}
