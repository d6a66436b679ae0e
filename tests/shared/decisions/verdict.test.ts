import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type LedgerHead, type StorageEvent, Verdict } from '../../../shared/contracts/events.ts';
import { type Owner, ownerOf } from '../../../shared/decisions/lake-places.ts';
import { decideVerdict, type VerdictInput } from '../../../shared/decisions/verdict.ts';

const lake = { account: 'acct', container: 'lake' };
const NOW = '2026-01-01T00:00:10.000Z';
const own = (pipeline: string, path: string, more: Partial<Owner> = {}): Owner => ({
  pipeline,
  path,
  source: 'readings',
  delta: false,
  onPremises: false,
  manifest: null,
  collecting: null,
  ...more,
});
const collecting = { source: 'readings', folder: 'bronze/many/', complete: 'manifest _done.json', lateness: null, sources: [] };
const owners = [
  own('ble', 'bronze/ble/'),
  own('ble-special', 'bronze/ble/special/'),
  own('many', 'bronze/many/', { collecting, manifest: '_done.json' }),
];
const judge = (one: StorageEvent, known: LedgerHead | null = null, more: Partial<VerdictInput> = {}) =>
  decideVerdict({
    event: one,
    head: known,
    lake,
    owners,
    chain: [],
    guardsOf: () => ({ freezes: [], breaker: null, now: NOW }),
    now: NOW,
    ...more,
  });

function event(change: Partial<StorageEvent> = {}): StorageEvent {
  return {
    source: '/subscriptions/x',
    id: '1',
    kind: 'created',
    api: 'PutBlob',
    ...lake,
    path: 'bronze/ble/a.csv',
    eTag: '0x1',
    sequencer: '0005',
    bytes: 10,
    time: '2026-01-01T00:00:00.000Z',
    ...change,
  };
}

const head: LedgerHead = { eTag: '0x1', sequencer: '0005', sha256: null, entryId: 'e-1' };

describe('the verdict of an event', () => {
  test.each([
    ['a complete new file', event(), null, 'accepted', 'complete-file'],
    ['the same version again', event({ id: '2' }), head, 'duplicate', 'same-etag'],
    ['an older version after a newer one', event({ eTag: '0x0', sequencer: '0004' }), head, 'stale', 'older-sequencer'],
    ['a newer version', event({ eTag: '0x2', sequencer: '0006' }), head, 'accepted', 'complete-file'],
    ['a path that no pipeline owns', event({ path: 'bronze/other/a.csv' }), null, 'ignored', 'no-pipeline'],
    ['the folder itself', event({ path: 'bronze/ble/' }), null, 'refused', 'path-not-plain'],
    ['a climbing path', event({ path: 'bronze/ble/../x.csv' }), null, 'refused', 'path-not-plain'],
    ['another account', event({ account: 'foreign' }), null, 'refused', 'foreign-place'],
    ['another container', event({ container: 'other' }), null, 'refused', 'foreign-place'],
    ['the first step of a dfs upload', event({ api: 'CreateFile', bytes: 0 }), null, 'ignored', 'write-not-complete'],
    ['a deletion', event({ kind: 'deleted', api: 'DeleteBlob' }), null, 'ignored', 'not-a-landing'],
    ['a rename', event({ kind: 'renamed', api: 'RenameFile', eTag: '', bytes: 0 }), null, 'ignored', 'rename-not-a-landing'],
    ['a temporary name', event({ path: 'bronze/ble/a.csv.tmp' }), null, 'ignored', 'temporary-name'],
    ['a marker file', event({ path: 'bronze/ble/_SUCCESS' }), null, 'ignored', 'temporary-name'],
    ['a file without bytes', event({ bytes: 0 }), null, 'ignored', 'empty-file'],
    ['a copy that was finished', event({ api: 'CopyBlob' }), null, 'accepted', 'complete-file'],
    ['an SFTP upload that was finished', event({ api: 'SftpCommit' }), null, 'accepted', 'complete-file'],
    ['a renamed folder', event({ kind: 'renamed', api: 'RenameDirectory', eTag: '', bytes: 0 }), null, 'ignored', 'folder-renamed'],
    ['a file of a dataset of many', event({ path: 'bronze/many/a.csv' }), null, 'incomplete', 'collecting'],
    ['the manifest, whatever its name', event({ path: 'bronze/many/_done.json' }), null, 'incomplete', 'collecting'],
    ['a clock in the future', event({ time: '2026-01-01T00:06:00.000Z' }), null, 'refused', 'future-clock'],
    ['a clock that is a little ahead', event({ time: '2026-01-01T00:05:00.000Z' }), null, 'accepted', 'complete-file'],
  ])('%s', (_case, one, known, kind, rule) => {
    const { verdict } = judge(one, known);

    expect(verdict).toMatchObject({ kind, rule });
    expect(verdict.reason.length).toBeGreaterThan(10);
    expect(Object.keys(verdict.evidence).length).toBeGreaterThan(0);
    expect(Verdict.safeParse(verdict).success).toBe(true);
  });

  test('sequencers of unequal length decide nothing: the eTag does when the file is read', () => {
    const { verdict } = judge(event({ eTag: '0x9', sequencer: '00000001' }), head);

    expect(verdict.kind).toBe('accepted');
  });

  test('without any pipeline the reason says how to register one', () => {
    const { verdict } = judge(event(), null, { owners: [] });

    expect(verdict.reason).toContain('sluice apply');
  });
});

test('the longest landing folder owns a path', () => {
  expect(ownerOf('bronze/ble/special/x.csv', owners)?.pipeline).toBe('ble-special');
  expect(ownerOf('bronze/ble/x.csv', owners)?.pipeline).toBe('ble');
});

test('whatever an event says, there is one verdict with a rule and a reason, and only a landing file of ours is accepted', () => {
  const anyEvent = fc.record({
    source: fc.string({ minLength: 1 }),
    id: fc.string({ minLength: 1 }),
    kind: fc.constantFrom('created' as const, 'deleted' as const, 'renamed' as const),
    api: fc.constantFrom('PutBlob', 'CreateFile', 'FlushWithClose', '', 'Nonsense'),
    account: fc.constantFrom('acct', 'other'),
    container: fc.constantFrom('lake', 'other'),
    path: fc.oneof(fc.string({ minLength: 1 }), fc.constantFrom('bronze/ble/a.csv', 'bronze/ble/../a', 'bronze/ble/.x')),
    eTag: fc.string(),
    sequencer: fc.string(),
    bytes: fc.nat(),
    time: fc.constant('2026-01-01T00:00:00.000Z'),
  });
  fc.assert(
    fc.property(anyEvent, fc.option(fc.constant(head), { nil: null }), (one, known) => {
      const { verdict, owner } = judge(one, known);
      expect(Verdict.safeParse(verdict).success).toBe(true);
      expect(verdict.rule).not.toBe('');
      expect(verdict.reason).not.toBe('');
      if (verdict.kind !== 'accepted') return;
      expect(owner?.pipeline).toMatch(/^ble/);
      expect(one).toMatchObject(lake);
      expect(one.path.startsWith('bronze/ble/')).toBe(true);
      expect(one.bytes).toBeGreaterThan(0);
    }),
  );
});
