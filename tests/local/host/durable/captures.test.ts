// Contract with the real host: every recording's orchestrator, run on this engine, gives the same sequence of trigger inputs and states.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { changed, feedsTheRun, isIgnored, leaves } from './captures/mutations.ts';
import { normalise } from './captures/normalise.ts';
import { folder, orchestrationRecordings, type Recording } from './captures/recordings.ts';
import { runRecording } from './captures/run-recording.ts';

const names = orchestrationRecordings();
const absent = folder === undefined ? ' (skipped: the recordings are not in this checkout)' : '';

/** The web that the recorded orchestrators called. */
function recordedWeb(): (input: string | URL | Request) => Promise<Response> {
  let polls = 0;
  return async (input) => {
    const url = String(input instanceof Request ? input.url : input);
    const base = { Server: 'Kestrel' };
    if (url.endsWith('/api/ping')) {
      return new Response('{"pong":true,"node":"v20.20.2"}', {
        headers: { ...base, Date: 'Sun, 22 Nov 2026 14:28:09 GMT', 'Transfer-Encoding': 'chunked' },
      });
    }
    const Date = 'Sun, 22 Nov 2026 14:32:09 GMT';
    polls += 1;
    if (polls < 3) return new Response('', { status: 202, headers: { ...base, Date, Location: url, 'Retry-After': '1' } });
    return new Response('{"done":true}', { headers: { ...base, Date, 'Transfer-Encoding': 'chunked' } });
  };
}

beforeEach(() => {
  vi.stubGlobal('fetch', recordedWeb());
  (globalThis as Record<string, unknown>)['__nd'] = 0;
});
afterEach(() => {
  vi.unstubAllGlobals();
});

describe.skipIf(folder === undefined)(`the recordings of the real host${absent}`, () => {
  test('are all there', () => {
    expect(names.length).toBe(35);
  });

  test.each(names)('%s', async (name) => {
    const { recorded, actual } = await runRecording(name);

    expect(JSON.parse(normalise(actual))).toEqual(JSON.parse(normalise(recorded)));
  });

  test.each(names)('%s: a change of any field outside the closed list is seen', async (name) => {
    const { recorded, actual } = await runRecording(name);
    const expected = normalise(actual);

    const unseen = leaves(recorded).filter((path) => !isIgnored(path) && normalise(changed(recorded, path)) === expected);

    expect(unseen.map((path) => path.join('.'))).toEqual([]);
  });

  test.each(names)('%s: a change of what the client said is seen in the run', async (name) => {
    const { recorded } = await runRecording(name);
    const unseen: string[] = [];

    for (const path of leaves(recorded).filter((leaf) => feedsTheRun(recorded, leaf))) {
      if (await passes(name, changed(recorded, path))) unseen.push(path.join('.'));
    }

    expect(unseen).toEqual([]);
  });
});

/** Whether the recording's own test would pass with this content. */
async function passes(name: string, content: Recording): Promise<boolean> {
  vi.stubGlobal('fetch', recordedWeb());
  (globalThis as Record<string, unknown>)['__nd'] = 0;
  try {
    const { recorded, actual } = await runRecording(name, content);
    return normalise(actual) === normalise(recorded);
  } catch {
    return false;
  }
}
