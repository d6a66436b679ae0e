// Windows in stories: the entities that count and join, and closing a window so that exactly one story goes on with it.
import * as df from 'durable-functions';
import type { EntityContext, OrchestrationContext } from 'durable-functions';
import { checkWindow, tallyWindow } from '../../shared/contracts/activities/windows.ts';
import type { Collecting, JoinState, WindowState } from '../../shared/contracts/windows.ts';
import { isTimed, ruleOf } from '../../shared/decisions/completeness.ts';
import { nextWait } from '../../shared/decisions/durations.ts';
import { type OfferAnswer, type OfferRequest, offerWindow } from '../../shared/decisions/join.ts';
import {
  type AddAnswer,
  addMember,
  type AddRequest,
  type CloseAnswer,
  closeWindow,
  emptyWindow,
  settleWindow,
  windowIdOf,
} from '../../shared/decisions/window.ts';
import { call, type Story } from './call.ts';
import { now, sleep } from './time.ts';

export const WINDOW = 'window';
export const JOIN = 'join';

/** A row that is on its way comes within seconds; a story that writes it tries for a quarter of an hour. Then what is there counts. */
const LOOKS = 16;
const FIRST_LOOK_SECONDS = 2;
const MAX_LOOK_SECONDS = 120;

type WindowRequest =
  { add: AddRequest } | { close: { number: number; ifCount: number | null; at: string } } | { settled: number; carried: number };

/** Entity `<pipeline>.<source>`. Computes first, sets state last: a throw would not roll back (facts/durable.md §2.9 item 4). */
export function windowEntity(context: EntityContext<WindowState | null>): void {
  const before = context.df.getState(() => null) ?? null;
  const request = context.df.getInput<WindowRequest>();
  const after = answerOf(before, request ?? null);
  if (after.state !== before) context.df.setState(after.state);
  context.df.return(after.answer);
}

function answerOf(before: WindowState | null, request: WindowRequest | null): { state: WindowState | null; answer: unknown } {
  if (request && 'add' in request) return addMember(before, request.add);
  if (request && 'close' in request) return closeWindow(before, request.close);
  if (request && 'settled' in request) {
    const state = settleWindow(before, request.settled, request.carried);
    return { state, answer: state };
  }
  return { state: before, answer: before ?? emptyWindow() };
}

/** Entity `<pipeline>`, where a pipeline has several sources. */
export function joinEntity(context: EntityContext<JoinState | null>): void {
  const before = context.df.getState(() => null) ?? null;
  const offer = context.df.getInput<OfferRequest>();
  if (!offer) {
    context.df.return(before);
    return;
  }
  const { state, answer } = offerWindow(before, offer);
  context.df.setState(state);
  context.df.return(answer);
}

/** What stories need to know of where they collect. */
export interface Place {
  pipeline: string;
  contractDigest: string;
  container: string;
  collecting: Collecting;
}

function* ask<Answer>(
  context: OrchestrationContext,
  { pipeline, collecting: { source } }: { pipeline: string; collecting: { source: string } },
  operation: string,
  request: WindowRequest | null,
): Story<Answer> {
  const entity = new df.EntityId(WINDOW, `${pipeline}.${source}`);
  return (yield context.df.callEntity(entity, operation, request)) as Answer;
}

export function* addToWindow(context: OrchestrationContext, place: Place, add: Omit<AddRequest, 'now' | 'lateness'>): Story<AddAnswer> {
  const request = { ...add, now: now(context), lateness: place.collecting.lateness };
  return yield* ask<AddAnswer>(context, place, 'add', { add: request });
}

export function* readWindow(context: OrchestrationContext, place: Place): Story<WindowState> {
  return yield* ask<WindowState>(context, place, 'read', null);
}

export function* noteSettled(
  context: OrchestrationContext,
  { pipeline, source }: { pipeline: string; source: string },
  number: number,
  carried: number,
): Story<void> {
  yield* ask<WindowState>(context, { pipeline, collecting: { source } }, 'settled', { settled: number, carried });
}

export function* offerToJoin(context: OrchestrationContext, place: Place, number: number): Story<OfferAnswer> {
  const { source, sources } = place.collecting;
  const offer: OfferRequest = { source, number, at: now(context), sources };
  return (yield context.df.callEntity(new df.EntityId(JOIN, place.pipeline), 'offer', offer)) as OfferAnswer;
}

/** `won`: this story goes on with the window, all of whose rows are there. `over`: another one has it. */
export type CloseTry =
  | { state: 'won'; window: WindowState; how: string }
  | { state: 'over' }
  | { state: 'later'; until: string; what: string }
  | { state: 'waiting'; what: string };

/** Closes the window when its rule is fulfilled. Looks again while rows are on their way or members come in between. */
export function* closeIfComplete(context: OrchestrationContext, place: Place, number: number): Story<CloseTry> {
  let wait = FIRST_LOOK_SECONDS;
  for (let look = 0; ; look += 1) {
    const anyway = look >= LOOKS;
    const window = yield* readWindow(context, place);
    if (window.number !== number) return { state: 'over' };
    const isReady = anyway || !waitsForTheOneBefore(place, window);
    const seen = isReady ? yield* tally(context, place, window, anyway) : null;
    if (seen && seen.state !== 'unwritten') {
      if (seen.state !== 'complete') return seen;
      // Whoever cannot become incomplete again by one member more is closed with what it has by now; a quiet time can.
      const ifCount = ruleOf(place.collecting.complete).kind === 'quiet' ? window.count : null;
      const closed = yield* ask<CloseAnswer>(context, place, 'close', { close: { number, ifCount, at: now(context) } });
      if (closed.won) {
        yield* untilWritten(context, place, closed.window);
        return { state: 'won', window: closed.window, how: seen.how };
      }
      if (closed.window.number !== number) return { state: 'over' };
    }
    yield* sleep(context, wait);
    wait = nextWait(wait, MAX_LOOK_SECONDS);
  }
}

/** What a manifest did not list goes on to the next window: that one must not be closed before. */
function waitsForTheOneBefore({ collecting }: Place, window: WindowState): boolean {
  return ruleOf(collecting.complete).kind === 'manifest' && window.settled < window.number - 1;
}

function* tally(context: OrchestrationContext, place: Place, window: WindowState, anyway: boolean) {
  const { pipeline, contractDigest, container, collecting } = place;
  const { source, folder, complete } = collecting;
  const at = now(context);
  return yield* call(context, tallyWindow, {
    pipeline,
    contractDigest,
    container,
    source,
    folder,
    complete,
    number: window.number,
    count: window.count,
    digest: window.digest,
    openedAt: window.openedAt ?? at,
    lastAt: window.lastAt ?? at,
    now: at,
    anyway,
  });
}

/** Members were counted before their rows are written: the last ones may still be on their way. */
function* untilWritten(context: OrchestrationContext, place: Place, window: WindowState): Story<void> {
  const id = windowIdOf(place.pipeline, place.collecting.source, window.number);
  let wait = FIRST_LOOK_SECONDS;
  for (let look = 0; look < LOOKS; look += 1) {
    const { number, count, digest } = window;
    const { complete, written } = yield* call(context, checkWindow, { window: id, number, count, digest });
    if (complete) return;
    if (!context.df.isReplaying) context.warn(`${id}: ${written} of ${count} members are written; looking again in ${wait} s`);
    yield* sleep(context, wait);
    wait = nextWait(wait, MAX_LOOK_SECONDS);
  }
}

/** Whether a window of this source needs somebody who waits for its time. */
export function needsCollector(collecting: Collecting): boolean {
  return isTimed(ruleOf(collecting.complete));
}
