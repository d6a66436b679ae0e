// What somebody asks about with `why`: told from the form of the text alone.
import { SignalEvent } from '../contracts/events.ts';
import { runIdParts } from '../contracts/identifiers.ts';

export interface Place {
  account: string;
  container: string;
  path: string;
}

/** `places` are tried in order: a short path may be meant below the container or below the account. */
export type WhySubject =
  | { kind: 'entry'; entryId: string }
  | { kind: 'run'; runId: string }
  | { kind: 'model'; digestPrefix: string }
  | { kind: 'endpoint'; endpoint: string }
  | { kind: 'endpoint-name'; name: string; places: Place[] }
  | { kind: 'path'; places: Place[] };

export function whySubject(text: string, lake: { account: string; container: string }): WhySubject {
  if (/^e-[0-9a-f]{32}$/.test(text)) return { kind: 'entry', entryId: text };
  if (runIdParts(text)) return { kind: 'run', runId: text };
  if (/^[0-9a-f]{8,64}$/.test(text)) return { kind: 'model', digestPrefix: text };
  if (/^sagemaker\/[a-z0-9-]+\/[A-Za-z0-9-]+$/.test(text)) return { kind: 'endpoint', endpoint: text };
  const signal = signalPlace(text);
  if (signal) return { kind: 'path', places: [signal, ...placesOf(text, lake)] };
  const places = placesOf(text, lake);
  return /^[A-Za-z0-9-]{1,63}$/.test(text) ? { kind: 'endpoint-name', name: text, places } : { kind: 'path', places };
}

/** `schedule ble-location`: an event without a file, as lists show it. */
function signalPlace(text: string): Place | null {
  const [, kind, path] = /^([a-z-]+) (.+)$/.exec(text) ?? [];
  const known = SignalEvent.shape.kind.safeParse(kind);
  return known.success && path !== undefined ? { account: 'signals', container: known.data, path } : null;
}

function placesOf(text: string, lake: { account: string; container: string }): Place[] {
  const url = /^https?:\/\/([a-z0-9]{3,24})\.(?:blob|dfs)\.[^/]+\/([^/]+)\/([^?#]+)/.exec(text);
  if (url) return [{ account: url[1] ?? '', container: url[2] ?? '', path: decoded(url[3] ?? '') }];
  const path = text.replace(/^\/+/, '');
  const [first = '', second = '', ...rest] = path.split('/');
  return [
    ...(rest.length > 0 && first === lake.account ? [{ account: first, container: second, path: rest.join('/') }] : []),
    ...(second !== '' && first === lake.container ? [{ ...lake, path: [second, ...rest].join('/') }] : []),
    { ...lake, path },
  ];
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
