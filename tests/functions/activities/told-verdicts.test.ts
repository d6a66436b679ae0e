// Announced verdicts: of held events only, one id for one verdict, and never in the way of what is written down.
import { describe, expect, test } from 'vitest';
import { withVerdictsTold } from '../../../functions/activities/told-verdicts.ts';
import { createMemoryLedger } from '../../../shared/adapters/memory/ledger.ts';
import type { VerdictKind } from '../../../shared/contracts/events.ts';
import { TransientError } from '../../../shared/errors/errors.ts';
import type { Announcer } from '../../../shared/ports/platform.ts';
import { ledgerSuite } from '../../contracts/ledger.suite.ts';
import { entryOf, headOf, minute, placeOf } from '../../contracts/samples.ts';

type Announcement = Parameters<Announcer['publish']>[0];
const place = placeOf('bronze/x/a.csv');
const verdict = (kind: VerdictKind, rule = 'frozen') => ({ kind, rule, reason: 'because', evidence: {} });

function told(publish?: Announcer['publish']) {
  const published: Announcement[] = [];
  const warned: string[] = [];
  const announcer: Announcer = { publish: publish ?? (async (event) => void published.push(event)) };
  const now = () => new Date(minute(5));
  return { ledger: withVerdictsTold(createMemoryLedger(), announcer, now, (text) => warned.push(text)), published, warned };
}

describe('the ledger stays what it is', () => ledgerSuite(async () => told().ledger));

test('a held event is announced once it is written; a taken one is not', async () => {
  const { ledger, published } = told();

  for (const kind of ['accepted', 'incomplete', 'duplicate', 'ignored'] as const) {
    const at = placeOf(kind);
    await ledger.record(at, entryOf(at, kind, { verdict: verdict(kind) }), null, null);
  }
  expect(published).toEqual([]);
  const held = entryOf(place, 'held', { verdict: verdict('refused') });
  await ledger.record(place, held, null, null);
  await ledger.record(place, held, null, null);

  expect(published).toEqual([
    {
      id: `${held.entryId}/event.judged/frozen`,
      type: 'event.judged',
      subject: `/events/${held.entryId}`,
      at: minute(5),
      data: { verdict: 'refused', rule: 'frozen', reason: 'because', pipeline: 'ble-location', path: 'lake/data/bronze/x/a.csv' },
    },
  ]);
});

test('a verdict that was found later is announced, unless it is that of a whole window', async () => {
  const { ledger, published } = told();
  const entry = entryOf(place, 'one');
  await ledger.record(place, entry, headOf(entry), null);

  await ledger.amend(place, entry.entryId, { sha256: 'a'.repeat(64) });
  await ledger.amend(place, entry.entryId, { verdict: verdict('quarantined', 'bad-rows'), byWindow: true });
  await ledger.amend(place, entry.entryId, { verdict: verdict('late', 'too-late') });

  expect(published.map(({ id }) => id)).toEqual([`${entry.entryId}/event.judged/too-late`]);
});

test('a topic that fails is said, and the verdict stands', async () => {
  const { ledger, warned } = told(() => Promise.reject(new TransientError('topic-unavailable', 'no answer')));

  expect(await ledger.record(place, entryOf(place, 'held', { verdict: verdict('loop', 'chain-comes-back') }), null, null)).toBe('recorded');

  expect(warned).toEqual([expect.stringMatching(/^e-[0-9a-f]{32}: loop \(chain-comes-back\) was not announced: no answer$/)]);
});
