// What every implementation of the port `Ledger` must do; run against memory and against tables.
import { describe, expect, it } from 'vitest';
import { type LedgerEntry, placeOfEvent } from '../../shared/contracts/events.ts';
import { RejectedError } from '../../shared/errors/errors.ts';
import type { BlobPlace, Ledger } from '../../shared/ports/stores.ts';
import { digest, entryIdOf, entryOf, headOf, memberOf, minute, placeOf, runIdOf } from './samples.ts';

/** `make` gives an empty ledger. */
export function ledgerSuite(make: () => Promise<Ledger>): void {
  const place = placeOf('bronze/a b/ü.csv');

  /** Looks and records until it is in, as a trigger does. */
  async function recordPatiently(ledger: Ledger, entry: LedgerEntry, at: BlobPlace): Promise<number> {
    for (let looks = 1; looks <= 200; looks += 1) {
      const { version } = await ledger.look(at, entry.entryId);
      if ((await ledger.record(at, entry, headOf(entry), version)) === 'recorded') return looks;
    }
    throw new Error(`${entry.entryId} was not recorded in 200 looks`);
  }

  it('knows nothing of a blob that it never saw', async () => {
    const ledger = await make();

    expect(await ledger.look(place, entryIdOf('x'))).toEqual({ head: null, entry: null, version: null });
    expect(await ledger.ofBlob(place)).toEqual([]);
    expect(await ledger.find(entryIdOf('x'))).toBeNull();
  });

  it('gives back what was recorded, with its head', async () => {
    const ledger = await make();
    const entry = entryOf(place, 'one');

    expect(await ledger.record(place, entry, headOf(entry), null)).toBe('recorded');

    const seen = await ledger.look(place, entry.entryId);
    expect(seen).toEqual({ head: headOf(entry), entry, version: expect.any(String) as string });
    expect(await ledger.ofBlob(place)).toEqual([entry]);
    expect(await ledger.find(entry.entryId)).toEqual(entry);
  });

  it('keeps places apart', async () => {
    const ledger = await make();
    const entry = entryOf(place, 'one');
    await ledger.record(place, entry, headOf(entry), null);

    const other = { ...place, container: 'other' };

    expect(await ledger.look(other, entry.entryId)).toEqual({ head: null, entry: null, version: null });
    expect(await ledger.ofBlob(other)).toEqual([]);
  });

  it('refuses a version that is not the newest, and writes nothing', async () => {
    const ledger = await make();
    const [first, second, third] = ['one', 'two', 'three'].map((name) => entryOf(place, name)) as [LedgerEntry, LedgerEntry, LedgerEntry];
    await ledger.record(place, first, headOf(first), null);
    const { version } = await ledger.look(place, second.entryId);
    await ledger.record(place, second, headOf(second), version);

    expect(await ledger.record(place, third, headOf(third), version)).toBe('changed');
    expect(await ledger.record(place, third, headOf(third), null)).toBe('changed');

    expect((await ledger.look(place, third.entryId)).entry).toBeNull();
    expect((await ledger.look(place, third.entryId)).head).toEqual(headOf(second));
    expect(await ledger.find(third.entryId)).toBeNull();
  });

  it('sees a change in between also when neither entry brings a head', async () => {
    const ledger = await make();
    const [first, second] = [entryOf(place, 'one'), entryOf(place, 'two')];
    const seen = await ledger.look(place, second.entryId);
    await ledger.record(place, first, null, null);

    expect(await ledger.record(place, second, null, seen.version)).toBe('changed');

    const again = await ledger.look(place, second.entryId);
    expect(again.head).toBeNull();
    expect(await ledger.record(place, second, null, again.version)).toBe('recorded');
  });

  it('keeps the head when an entry brings none', async () => {
    const ledger = await make();
    const [first, second] = [entryOf(place, 'one'), entryOf(place, 'two')];
    await ledger.record(place, first, headOf(first), null);
    const { version } = await ledger.look(place, second.entryId);

    expect(await ledger.record(place, second, null, version)).toBe('recorded');

    expect((await ledger.look(place, second.entryId)).head).toEqual(headOf(first));
  });

  it('never records one entry twice', async () => {
    const ledger = await make();
    const entry = entryOf(place, 'one');
    await ledger.record(place, entry, headOf(entry), null);
    const { version } = await ledger.look(place, entry.entryId);

    expect(await ledger.record(place, { ...entry, receivedAt: minute(9) }, headOf(entry), version)).toBe('changed');

    expect(await ledger.ofBlob(place)).toEqual([entry]);
    expect((await ledger.recent(10)).items).toEqual([entry]);
  });

  it('lists an entry once, at the moment when it was recorded, however often it is tried again', async () => {
    const ledger = await make();
    const entry = entryOf(place, 'one', { receivedAt: minute(1) });
    await ledger.record(place, entry, headOf(entry), null);

    for (const receivedAt of [minute(1), minute(5), minute(2000)]) {
      expect(await ledger.record(place, { ...entry, receivedAt }, headOf(entry), null)).toBe('changed');
      expect((await ledger.arrivals(10)).items).toMatchObject([{ at: minute(1), entryId: entry.entryId }]);
      expect((await ledger.recent(10)).items).toEqual([entry]);
    }
  });

  it('amends the first entry of a blob as well as later ones, and keeps them apart', async () => {
    const ledger = await make();
    const entries = ['one', 'two', 'three'].map((name, n) => entryOf(place, name, { receivedAt: minute(n) }));
    for (const entry of entries) await recordPatiently(ledger, entry, place);

    for (const [n, { entryId }] of entries.entries()) {
      for (let time = 0; time <= n; time += 1) await ledger.redelivered(place, entryId);
      await ledger.amend(place, entryId, { instanceId: `land-${n}`, sha256: digest(`content ${n}`) });
    }

    const expected = entries.map((entry, n) => ({ ...entry, deliveries: n + 2, instanceId: `land-${n}`, sha256: digest(`content ${n}`) }));
    expect(await ledger.ofBlob(place)).toEqual(expected);
    expect(await Promise.all(entries.map(({ entryId }) => ledger.find(entryId)))).toEqual(expected);
    expect((await ledger.look(place, 'e-none')).head).toEqual(headOf(entries[2]!, { sha256: digest('content 2') }));
  });

  it('loses none of 50 concurrent entries of one blob', async () => {
    const ledger = await make();
    const entries = Array.from({ length: 50 }, (_, n) => entryOf(place, `race-${n}`, { receivedAt: minute(n) }));
    const seen = await ledger.look(place, 'e-none');

    const answers = await Promise.all(entries.map((entry) => ledger.record(place, entry, headOf(entry), seen.version)));

    expect(answers.filter((answer) => answer === 'recorded')).toHaveLength(1);
    expect(answers.filter((answer) => answer === 'changed')).toHaveLength(49);
    const [winner] = entries.filter((_, n) => answers[n] === 'recorded');
    expect(await ledger.ofBlob(place)).toEqual([winner]);
    expect((await ledger.look(place, 'e-none')).head).toEqual(winner && headOf(winner));
  });

  it('records every one of 12 concurrent writers that look again', async () => {
    const ledger = await make();
    const entries = Array.from({ length: 12 }, (_, n) => entryOf(place, `patient-${n}`, { receivedAt: minute(n) }));

    await Promise.all(entries.map((entry) => recordPatiently(ledger, entry, place)));

    expect(await ledger.ofBlob(place)).toEqual(entries);
    expect((await ledger.recent(100)).items).toEqual(entries.toReversed());
  });

  it('counts every redelivery, concurrent ones too', async () => {
    const ledger = await make();
    const entry = entryOf(place, 'one');
    await ledger.record(place, entry, headOf(entry), null);

    await Promise.all(Array.from({ length: 10 }, () => ledger.redelivered(place, entry.entryId)));

    expect((await ledger.look(place, entry.entryId)).entry?.deliveries).toBe(11);
  });

  it('keeps malformed messages without a place', async () => {
    const ledger = await make();
    const entry: LedgerEntry = { ...entryOf(place, 'raw'), event: null, rawSha256: digest('raw'), pipeline: null };

    expect(await ledger.record(null, entry, null, null)).toBe('recorded');
    expect(await ledger.record(null, entry, null, null)).toBe('changed');
    await ledger.redelivered(null, entry.entryId);

    expect(await ledger.look(null, entry.entryId)).toEqual({ head: null, entry: { ...entry, deliveries: 2 }, version: null });
    expect((await ledger.recent(10)).items).toHaveLength(1);
    expect((await ledger.find(entry.entryId))?.deliveries).toBe(2);
  });

  describe('amend', () => {
    const runId = runIdOf('refine', 'ble-location', digest('k'));

    it('changes what is given and keeps the rest', async () => {
      const ledger = await make();
      const entry = entryOf(place, 'one');
      await ledger.record(place, entry, headOf(entry), null);

      await ledger.amend(place, entry.entryId, { runId, sha256: digest('content'), verdict: null });
      const verdict = { kind: 'duplicate', rule: 'same-content', reason: 'landed before', evidence: { run: 'x' } } as const;
      await ledger.amend(place, entry.entryId, { verdict, instanceId: 'land-x' });

      const seen = await ledger.look(place, entry.entryId);
      expect(seen.entry).toEqual({ ...entry, runId, verdict, instanceId: 'land-x', sha256: digest('content') });
      expect(seen.head).toEqual(headOf(entry, { sha256: digest('content') }));
      expect(await ledger.ofRun(runId)).toEqual([seen.entry]);
    });

    it('leaves the head alone when it belongs to a newer entry', async () => {
      const ledger = await make();
      const [first, second] = [entryOf(place, 'one'), entryOf(place, 'two')];
      await ledger.record(place, first, headOf(first), null);
      await ledger.record(place, second, headOf(second), (await ledger.look(place, second.entryId)).version);

      await ledger.amend(place, first.entryId, { sha256: digest('content') });

      expect((await ledger.look(place, first.entryId)).head).toEqual(headOf(second));
    });

    it('gives the head back to the newest other version when its own is gone', async () => {
      const ledger = await make();
      const [first, second] = [entryOf(place, 'one'), entryOf(place, 'two', { receivedAt: minute(1) })];
      await ledger.record(place, first, headOf(first), null);
      await ledger.amend(place, first.entryId, { sha256: digest('first') });
      await ledger.record(place, second, headOf(second), (await ledger.look(place, second.entryId)).version);

      await ledger.amend(place, second.entryId, { withdraw: true });

      expect((await ledger.look(place, second.entryId)).head).toEqual(headOf(first, { sha256: digest('first') }));
      await ledger.amend(place, first.entryId, {
        withdraw: true,
        verdict: { kind: 'superseded', rule: 'blob-gone', reason: 'gone', evidence: {} },
      });
      expect((await ledger.look(place, first.entryId)).head).toMatchObject({ entryId: second.entryId });
    });

    it('makes a held entry the head once it is accepted', async () => {
      const ledger = await make();
      const entry = entryOf(place, 'one');
      await ledger.record(place, entry, null, null);

      await ledger.amend(place, entry.entryId, { head: headOf(entry), foundBy: 'replay', chain: ['other@x'] });

      expect(await ledger.look(place, entry.entryId)).toMatchObject({
        head: headOf(entry),
        entry: { foundBy: 'replay', chain: ['other@x'] },
      });
    });

    it('makes the version old when it changes the head', async () => {
      const ledger = await make();
      const [first, second] = [entryOf(place, 'one'), entryOf(place, 'two')];
      await ledger.record(place, first, headOf(first), null);
      const { version } = await ledger.look(place, second.entryId);

      await ledger.amend(place, first.entryId, { sha256: digest('content') });

      expect(await ledger.record(place, second, headOf(second), version)).toBe('changed');
    });

    it('refuses an entry that is not there', async () => {
      const ledger = await make();

      await expect(ledger.amend(place, entryIdOf('none'), { runId })).rejects.toMatchObject({ code: 'entry-unknown' });
      await expect(ledger.redelivered(place, entryIdOf('none'))).rejects.toBeInstanceOf(RejectedError);
      expect(await ledger.ofRun(runId)).toEqual([]);
    });
  });

  describe('windows', () => {
    const window = 'ble-location.readings.7';
    const runId = runIdOf('refine', 'ble-location', digest('w'));

    it('hold their members, page by page, each once', async () => {
      const ledger = await make();
      const entries = Array.from({ length: 7 }, (_, n) => entryOf(placeOf(`bronze/w${n}.csv`), `w${n}`));
      for (const [n, entry] of entries.entries()) {
        const at = placeOf(`bronze/w${n}.csv`);
        await ledger.record(at, entry, headOf(entry), null);
        const row = memberOf(entry, n + 1);
        await ledger.amend(at, entry.entryId, { sha256: row.sha256, member: { window, row } });
        await ledger.amend(at, entry.entryId, { member: { window, row } });
      }

      const first = await ledger.members(window, 4);
      const second = await ledger.members(window, 4, first.next ?? undefined);

      const seen = [...first.items, ...second.items];
      expect(first.items).toHaveLength(4);
      expect(seen.map(({ entryId }) => entryId)).toEqual(entries.map(({ entryId }) => entryId).sort());
      expect(second.next).toBeNull();
      expect(await ledger.find(entries[0]?.entryId ?? '')).toMatchObject({ window, sha256: seen.find((one) => one.ordinal === 1)?.sha256 });
      expect(await ledger.members('ble-location.readings.8', 4)).toEqual({ items: [], next: null });
    });

    it('are linked to a run as one, and only those members count that say so themselves', async () => {
      const ledger = await make();
      const entries = [entryOf(placeOf('bronze/l0.csv'), 'l0'), entryOf(placeOf('bronze/l1.csv'), 'l1')];
      for (const [n, entry] of entries.entries()) {
        const at = placeOf(`bronze/l${n}.csv`);
        await ledger.record(at, entry, headOf(entry), null);
        await ledger.amend(at, entry.entryId, { member: { window, row: memberOf(entry, n + 1) } });
      }

      await ledger.linkWindow(window, runId);
      await ledger.amend(placeOf('bronze/l0.csv'), entries[0]?.entryId ?? '', { runId, byWindow: true });

      expect((await ledger.ofRun(runId)).map(({ entryId }) => entryId)).toEqual([entries[0]?.entryId]);
    });

    it('may get a member that another window did not take', async () => {
      const ledger = await make();
      const row = { ...memberOf(entryOf(place, 'one'), 0), carried: true };

      await ledger.carry(window, row);

      expect((await ledger.members(window, 10)).items).toEqual([row]);
    });
  });

  it('tells what is known of many blobs at once', async () => {
    const ledger = await make();
    const places = Array.from({ length: 20 }, (_, n) => placeOf(`bronze/k${n}.csv`));
    const accepted = entryOf(placeOf('bronze/k3.csv'), 'k3');
    const ignored = entryOf(placeOf('bronze/k5.csv'), 'k5');
    await ledger.record(placeOf('bronze/k3.csv'), accepted, headOf(accepted), null);
    await ledger.record(placeOf('bronze/k5.csv'), ignored, null, null);

    const known = await ledger.known(places);

    expect(known).toHaveLength(20);
    expect(known[3]).toEqual({ head: headOf(accepted), lastETag: '0xk3' });
    expect(known[5]).toEqual({ head: null, lastETag: '0xk5' });
    expect(known[0]).toEqual({ head: null, lastETag: null });
  });

  describe('recent', () => {
    it('lists newest first over days and places, page by page', async () => {
      const ledger = await make();
      const entries = Array.from({ length: 23 }, (_, n) =>
        entryOf(placeOf(`bronze/${n % 5}.csv`), `e${n}`, { receivedAt: minute(n * 100) }),
      );
      for (const entry of entries) await recordPatiently(ledger, entry, entry.event ? placeOfEvent(entry.event) : place);

      const pages: string[][] = [];
      let after: string | undefined;
      do {
        const page = await ledger.recent(10, after);
        pages.push(page.items.map((entry) => entry.entryId));
        after = page.next ?? undefined;
      } while (after !== undefined && pages.length < 9);

      expect(pages.map((page) => page.length)).toEqual([10, 10, 3]);
      expect(pages.flat()).toEqual(entries.toReversed().map((entry) => entry.entryId));
    });

    it('says from its index alone what came for whom, in the same order and pages', async () => {
      const ledger = await make();
      const file = entryOf(placeOf('bronze/a.csv'), 'file', { receivedAt: minute(1) });
      const signal: LedgerEntry = {
        ...entryOf(place, 'signal', { receivedAt: minute(2) }),
        event: { source: '/timer', id: 'signal', kind: 'schedule', subject: 'wine', time: minute(2), data: {} },
        verdict: { kind: 'ignored', rule: 'no-such-pipeline', reason: 'none', evidence: {} },
        pipeline: null,
      };
      const raw: LedgerEntry = { ...entryOf(place, 'raw', { receivedAt: minute(3) }), event: null, pipeline: null };
      for (const entry of [file, signal]) await recordPatiently(ledger, entry, entry.event ? placeOfEvent(entry.event) : place);
      await ledger.record(null, raw, null, null);

      const first = await ledger.arrivals(2);
      const second = await ledger.arrivals(2, first.next ?? '');

      expect(first.items).toEqual([
        { at: minute(3), entryId: raw.entryId, pipeline: null, what: 'none', verdict: 'accepted' },
        { at: minute(2), entryId: signal.entryId, pipeline: null, what: 'signal', verdict: 'ignored' },
      ]);
      expect(second).toEqual({
        items: [{ at: minute(1), entryId: file.entryId, pipeline: 'ble-location', what: 'file', verdict: 'accepted' }],
        next: null,
      });
    });

    it('refuses a position that is none', async () => {
      const ledger = await make();

      for (const after of ['', 'x', Buffer.from('["a","b"]').toString('base64url')]) {
        await expect(ledger.recent(10, after)).rejects.toMatchObject({ code: 'position-unknown' });
      }
    });
  });
}
