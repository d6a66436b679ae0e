// Whatever happens to a stream of events on its way (order, repetition, loss), the reconciler's pass makes it worth the clean one:
// the same head of every blob, the same datasets with the same members.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StorageEvent } from '../../../shared/contracts/events.ts';
import { entryId } from '../../../shared/decisions/identity.ts';
import { type Blob, createEventModel, FOLDER, LAKE } from '../../support/event-model.ts';

interface Write {
  path: string;
  content: string;
  lists?: string[];
}

/** What is written, in order: several versions of some files. The manifest, where there is one, lists all but the strangers. */
interface Plan {
  complete: string;
  writes: Write[];
}

const content = fc.constantFrom('1', '2', '3', '4');
const version = (path: string) =>
  content.map((text): Write => ({ path: FOLDER + path, content: `${path.length}${text}`.padStart(64, '0') }));
/** One version or more of every path, mixed. */
const versions = (paths: readonly string[]): fc.Arbitrary<Write[]> =>
  fc
    .tuple(...paths.map((path) => fc.array(version(path), { minLength: 1, maxLength: 3 })))
    .chain((each) => fc.shuffledSubarray(each.flat(), { minLength: each.flat().length, maxLength: each.flat().length }));

const PATHS = ['a.csv', 'bb.csv', 'ccc.csv'];
const PARTS = ['n/a.csv', 's/bb.csv', 'w/ccc.csv'];
const manifest = (lists: string[]): Write => ({ path: `${FOLDER}m.json`, content: 'f'.repeat(64), lists });

const plan: fc.Arbitrary<Plan> = fc.oneof(
  versions(PATHS).map((writes) => ({ complete: 'files 1', writes })),
  versions(PATHS).map((writes) => ({ complete: 'files 3', writes })),
  versions(PATHS).map((writes) => ({ complete: 'quiet 30s', writes })),
  versions(PARTS).map((writes) => ({ complete: 'partitions n,s,w', writes })),
  fc
    .tuple(versions(PATHS), fc.constantFrom<string[]>(['a.csv', 'bb.csv', 'ccc.csv'], ['a.csv', 'ccc.csv']), fc.boolean())
    .map(([writes, lists, first]) => ({
      complete: 'manifest m.json',
      writes: first ? [manifest(lists), ...writes] : [...writes, manifest(lists)],
    })),
);

/** The lake as it is after all writes, and the event of each. `lengths` makes sequencers of unequal length, whose order says nothing. */
function happened({ writes }: Plan, lengths: readonly number[]): { lake: Map<string, Blob>; events: StorageEvent[] } {
  const lake = new Map<string, Blob>();
  const events = writes.map((write, index): StorageEvent => {
    const eTag = `0x${index + 1}`;
    lake.set(write.path, { eTag, sha256: write.content, ...(write.lists ? { lists: write.lists } : {}) });
    return {
      source: '/lake',
      id: `e${index}`,
      kind: 'created',
      api: 'PutBlob',
      ...LAKE,
      path: write.path,
      eTag,
      sequencer: String(index + 1).padStart(8 + (lengths[index % lengths.length] ?? 0), '0'),
      bytes: 1,
      time: '2026-01-01T00:00:00.000Z',
    };
  });
  return { lake, events };
}

/** What the network does to them: each event some times (0 = lost), under its own id and as another event, in any order. */
interface Disturbance {
  order: number[];
  deliveries: number[];
  doubles: number[];
  lengths: number[];
}
const disturbance: fc.Arbitrary<Disturbance> = fc.record({
  order: fc.array(fc.nat(1000), { minLength: 40, maxLength: 40 }),
  deliveries: fc.array(fc.constantFrom(0, 1, 1, 2, 3), { minLength: 12, maxLength: 12 }),
  doubles: fc.array(fc.constantFrom(0, 0, 1, 2), { minLength: 12, maxLength: 12 }),
  lengths: fc.constantFrom([0], [0], [0, 1], [2, 0, 1]),
});

function disturbed(events: readonly StorageEvent[], { order, deliveries, doubles }: Disturbance): StorageEvent[] {
  const all = events.flatMap((event, index) => {
    const times = deliveries[index % deliveries.length] ?? 1;
    const twins = times === 0 ? 0 : (doubles[index % doubles.length] ?? 0);
    return [
      ...Array<StorageEvent>(times).fill(event),
      ...Array.from({ length: twins }, (_, twin) => ({ ...event, id: `${event.id}-twin${twin}` })),
    ];
  });
  const keyed = all.map((event, index) => ({ event, at: (order[index % order.length] ?? 0) * 100 + index }));
  return keyed.sort((a, b) => a.at - b.at).map(({ event }) => event);
}

function played({ complete }: Plan, lake: ReadonlyMap<string, Blob>, events: readonly StorageEvent[], reconciled: boolean) {
  const model = createEventModel(complete, lake);
  for (const event of events) model.deliver(event);
  if (reconciled) {
    model.reconcile();
    model.reconcile();
  }
  model.wait();
  return model;
}

describe('a stream of events that was shuffled, repeated and thinned', () => {
  test('leads to the heads and datasets of the clean one, over ten thousand seeds', () => {
    fc.assert(
      fc.property(plan, disturbance, (asked, what) => {
        const { lake, events } = happened(asked, what.lengths);
        const stream = disturbed(events, what);
        const clean = played(asked, lake, events, false);
        const rough = played(asked, lake, stream, true);

        expect(rough.datasets()).toEqual(clean.datasets());
        const heads = rough.heads();
        for (const [path, head] of clean.heads()) {
          const found = heads.get(path);
          expect([path, found?.eTag, found?.sha256]).toEqual([path, head?.eTag, head?.sha256]);
          // A listing knows no sequencer: only where the newest version's own event came, is it known.
          if (stream.some(({ eTag }) => eTag === head?.eTag)) expect(found?.sequencer).toBe(head?.sequencer);
        }
        expect(heads.size).toBe(clean.heads().size);
      }),
      { numRuns: 10_000 },
    );
  });

  test('only raises the deliveries of what comes again', () => {
    fc.assert(
      fc.property(plan, disturbance, (asked, what) => {
        const { lake, events } = happened(asked, what.lengths);
        const stream = disturbed(events, what);
        const model = played(asked, lake, stream, false);

        for (const event of new Set(stream)) {
          const times = stream.filter(({ id }) => id === event.id).length;
          expect(model.deliveries().get(entryId(event.source, event.id))).toBe(times);
        }
        expect(model.entries()).toHaveLength(new Set(stream.map(({ id }) => id)).size);
      }),
      { numRuns: 1000 },
    );
  });

  test('without the reconciler would lose what was never delivered', () => {
    const asked: Plan = { complete: 'files 1', writes: [{ path: `${FOLDER}a.csv`, content: '1'.repeat(64) }] };
    const { lake } = happened(asked, [0]);

    expect(played(asked, lake, [], false).datasets()).toEqual([]);
    expect(played(asked, lake, [], true).datasets()).toEqual([[`${FOLDER}a.csv ${'1'.repeat(64)}`]]);
  });
});
