import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RunId } from '../../../shared/contracts/identifiers.ts';
import type { Gate } from '../../../shared/contracts/pipeline.ts';
import { canonicalJson, digestOf, digestOfFiles } from '../../../shared/decisions/digest.ts';
import { durationSeconds, nextWait } from '../../../shared/decisions/durations.ts';
import { judge } from '../../../shared/decisions/gates.ts';
import { entryId, instanceId, promoteKey, refineKey, trainKey } from '../../../shared/decisions/identity.ts';
import { compareWithGolden } from '../../../shared/decisions/parity.ts';
import { readableReport } from '../../../shared/decisions/report.ts';
import { arrival } from '../../../shared/decisions/rollout.ts';

const hex = (character: string): string => character.repeat(64);

describe('digests', () => {
  test('canonical JSON does not depend on the order of keys', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse());
        expect(canonicalJson(reversed)).toBe(canonicalJson(value));
      }),
    );
  });

  test('canonical JSON says the same as JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('a folder has one digest, whatever the order of its files', () => {
    const files = [
      { path: 'b', sha256: hex('1') },
      { path: 'a', sha256: hex('2') },
    ];

    expect(digestOfFiles(files)).toBe(digestOfFiles([...files].reverse()));
    expect(digestOfFiles(files)).not.toBe(
      digestOfFiles([
        { path: 'b', sha256: hex('2') },
        { path: 'a', sha256: hex('1') },
      ]),
    );
  });
});

describe('identity', () => {
  test('the same files in another order are the same dataset; another content or contract is not', () => {
    const files = [
      { path: 'x', sha256: hex('a') },
      { path: 'y', sha256: hex('b') },
    ];
    const key = refineKey({ pipeline: 'p', contractDigest: hex('c'), files });

    expect(refineKey({ pipeline: 'p', contractDigest: hex('c'), files: [...files].reverse() })).toBe(key);
    expect(refineKey({ pipeline: 'p', contractDigest: hex('d'), files })).not.toBe(key);
    expect(refineKey({ pipeline: 'p', contractDigest: hex('c'), files: files.slice(1) })).not.toBe(key);
  });

  test('run ids fit every name rule that they meet', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z][a-z0-9]{0,15}(-[a-z0-9]{1,10}){0,2}$/),
        fc.integer({ min: 1, max: 99 }),
        (pipeline, attempt) => {
          const id = instanceId('promote', pipeline, promoteKey({ modelDigest: hex('a'), environment: 'dev', request: 0 }), attempt);
          expect(RunId.safeParse(id).success).toBe(true);
        },
      ),
    );
  });

  test('stories never share a key, and requests of one model differ', () => {
    const keys = [
      trainKey({ pipeline: 'p', goldDigest: hex('a'), specDigest: hex('b') }),
      promoteKey({ modelDigest: hex('a'), environment: 'dev', request: 0 }),
      promoteKey({ modelDigest: hex('a'), environment: 'dev', request: 1 }),
      digestOf(['p', hex('a'), hex('b')]),
    ];

    expect(new Set(keys).size).toBe(keys.length);
  });

  test('source and id of an event are kept apart', () => {
    expect(entryId('ab', 'c')).not.toBe(entryId('a', 'bc'));
  });
});

describe('gates', () => {
  const gates: Gate[] = [{ metric: 'top1', atLeast: 0.2 }];

  test.each([
    ['a good metric passes', { top1: 0.3 }, 'pass'],
    ['the bound itself passes', { top1: 0.2 }, 'pass'],
    ['a bad metric fails', { top1: 0.1 }, 'fail'],
    ['an absent metric is inconclusive, never a pass', {}, 'inconclusive'],
    ['NaN is inconclusive, never a pass', { top1: Number.NaN }, 'inconclusive'],
  ])('%s', (_case, metrics, result) => {
    expect(judge(gates, metrics as Record<string, number>, null).result).toBe(result);
  });

  test('fail outweighs inconclusive, and no gates at all are inconclusive', () => {
    expect(judge([...gates, { metric: 'absent', atMost: 1 }], { top1: 0 }, null).result).toBe('fail');
    expect(judge([], { top1: 1 }, null).result).toBe('inconclusive');
  });

  test('a metric named like a part of every object is not found', () => {
    expect(judge([{ metric: 'constructor', atLeast: 0 }], {}, null).result).toBe('inconclusive');
  });

  test('the champion is compared in the stated direction', () => {
    const lower: Gate[] = [{ metric: 'error', notWorseThanChampionBy: 0.1, direction: 'lower-is-better' }];

    expect(judge(lower, { error: 1.05 }, { error: 1 }).result).toBe('pass');
    expect(judge(lower, { error: 1.2 }, { error: 1 }).result).toBe('fail');
    expect(judge(lower, { error: 1.2 }, null).result).toBe('pass');
    expect(judge(lower, { error: 1.2 }, {}).result).toBe('inconclusive');
  });
});

describe('has the endpoint arrived?', () => {
  const state = { status: 'in-service' as const, configName: 'new', pendingConfig: null, reason: null };

  test('in service with the expected configuration and nothing pending', () => {
    expect(arrival(state, 'new').kind).toBe('arrived');
  });

  test('in service with the old configuration is a loss, not a success', () => {
    expect(arrival({ ...state, configName: 'old' }, 'new')).toMatchObject({ kind: 'lost' });
  });

  test.each([
    ['still changing', { ...state, status: 'changing' as const }, 'waiting'],
    ['a configuration pending', { ...state, pendingConfig: 'new' }, 'waiting'],
    ['failed', { ...state, status: 'failed' as const, reason: 'ping' }, 'lost'],
    ['absent', { ...state, status: 'absent' as const }, 'lost'],
  ])('%s', (_case, one, kind) => {
    expect(arrival(one, 'new').kind).toBe(kind);
  });
});

describe('parity with the training side', () => {
  const golden = { rows: [[1], [2]], predictions: [{ label: 'A', probability: 0.5 }, { label: 'B' }], tolerance: 1e-6 };

  test('equal labels and probabilities within the tolerance agree', () => {
    const answers = [
      { label: 'A', probability: 0.5 + 5e-7 },
      { label: 'B', probability: 0.9 },
    ];

    expect(compareWithGolden(golden, answers)).toEqual({ rowsChecked: 2, rowsAgreeing: 2, worst: null });
  });

  test('another label, a far probability and a missing answer are told apart', () => {
    expect(compareWithGolden(golden, [{ label: 'A', probability: 0.6 }]).worst).toContain('tolerance');
    expect(compareWithGolden(golden, [{ label: 'A', probability: 0.5 }])).toMatchObject({ rowsAgreeing: 1, worst: 'row 1: no answer' });
    expect(compareWithGolden(golden, [{ label: 'C', probability: 0.5 }]).worst).toContain('expected A');
  });
});

describe('run reports', () => {
  const files = [{ path: 'weights.npz', sha256: hex('a'), bytes: 3 }];
  const report = {
    protocol: 1,
    component: { name: 'ble-train', version: '1' },
    status: 'succeeded',
    metrics: { top1: 0.2 },
    model: { digest: digestOfFiles(files), files, archive: { path: 'model.tar.gz', sha256: hex('b'), bytes: 9 } },
    times: { startedAt: '2026-01-01T00:00:00Z', finishedAt: '2026-01-01T00:00:01Z', executionSeconds: 1 },
  };
  const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));

  test('a true one is read', () => {
    expect(readableReport('run', bytes(report)).metrics).toEqual({ top1: 0.2 });
  });

  test.each([
    ['none', null, 'report-missing'],
    ['NaN in it', JSON.stringify(report).replace('0.2', 'NaN'), 'report-not-finite'],
    ['a number that is infinite when it is read', JSON.stringify(report).replace('0.2', '1e999'), 'report-not-finite'],
    ['a text that only speaks of NaN', JSON.stringify({ ...report, params: { note: 'x: NaN' }, model: undefined }), 'model-missing'],
    ['another protocol', { ...report, protocol: 2 }, 'report-protocol'],
    ['no protocol at all', { ...report, protocol: undefined }, 'report-invalid'],
    ['a failed component', { ...report, status: 'failed', error: { code: 'x', message: 'y' } }, 'component-failed'],
    ['no model', { ...report, model: undefined }, 'model-missing'],
    ['a digest that is not that of the files', { ...report, model: { ...report.model, digest: hex('f') } }, 'model-digest-wrong'],
    ['a path that climbs', { ...report, artifacts: [{ path: '../x', sha256: hex('a'), bytes: 1 }] }, 'report-invalid'],
    [
      'rows without predictions',
      { ...report, golden: { rows: [[1], [2]], predictions: [{ label: 'A' }], tolerance: 0 } },
      'report-invalid',
    ],
  ])('%s', (_case, content, code) => {
    expect(() => readableReport('run', content === null ? null : bytes(content))).toThrow(expect.objectContaining({ code }) as Error);
  });
});

test('durations and growing waits', () => {
  expect([durationSeconds('30s'), durationSeconds('15m'), durationSeconds('2h'), durationSeconds('7d')]).toEqual([30, 900, 7200, 604_800]);
  fc.assert(fc.property(fc.double({ min: 0.2, max: 100, noNaN: true }), (wait) => nextWait(wait, 60) <= 60));
});
