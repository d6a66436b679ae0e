// Several sources make one dataset: when a window of one is closed, what goes together with it, or which source it waits for.
// Every closed window is used at least once; one that was used already stands in for its source again while it is young enough.
import type { JoinState, WindowRange } from '../contracts/windows.ts';

export interface OfferRequest {
  source: string;
  number: number;
  at: string;
  sources: readonly { name: string; maxLagSeconds: number | null }[];
}

export type OfferAnswer = { go: true; windows: WindowRange[] } | { go: false; missing: { source: string; why: string }[] };

/** Takes note of a closed window and says what can be refined now; what goes is marked as used, so that no window goes out twice as new. */
export function offerWindow(before: JoinState | null, offer: OfferRequest): { state: JoinState; answer: OfferAnswer } {
  const known = before?.[offer.source];
  // Windows are closed in order, but may be offered out of it.
  const newer = !known || offer.number > known.complete;
  const state: JoinState = {
    ...before,
    [offer.source]: {
      used: known?.used ?? 0,
      complete: newer ? offer.number : known.complete,
      at: newer ? offer.at : known.at,
    },
  };
  if (known && offer.number <= known.used) return { state, answer: { go: false, missing: [] } };
  const missing = offer.sources.flatMap(({ name, maxLagSeconds }) => {
    const why = lack(state, name, maxLagSeconds, offer);
    return why === null ? [] : [{ source: name, why }];
  });
  if (missing.length > 0) return { state, answer: { go: false, missing } };
  const windows = offer.sources.map(({ name }) => {
    const { used, complete } = state[name]!;
    return { source: name, from: used < complete ? used + 1 : complete, to: complete };
  });
  const after = Object.fromEntries(Object.entries(state).map(([name, one]) => [name, { ...one, used: one.complete }]));
  return { state: after, answer: { go: true, windows } };
}

/** Why a source keeps the dataset waiting; null when it does not. */
function lack(state: JoinState, name: string, maxLagSeconds: number | null, offer: OfferRequest): string | null {
  const own = state[name];
  if (!own) return 'has no complete dataset yet';
  if (name === offer.source || maxLagSeconds === null) return null;
  const lag = Math.round((Date.parse(offer.at) - Date.parse(own.at)) / 1000);
  return lag <= maxLagSeconds ? null : `is ${lag} s old; at most ${maxLagSeconds} s are taken (maxLag)`;
}
