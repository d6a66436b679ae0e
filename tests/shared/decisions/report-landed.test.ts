// Which files of the store are reports, and whose.
import { describe, expect, test } from 'vitest';
import { jobOfReport, reportSignal, withReportSignals } from '../../../shared/decisions/report-landed.ts';
import { instanceId, trialJobName } from '../../../shared/decisions/identity.ts';
import { runFolder, stepReportPath } from '../../../shared/decisions/training-plan.ts';

const RUN = instanceId('train', 'credit', 'a'.repeat(64), 1);
const SWEEP = instanceId('sweep', 'credit', 'b'.repeat(64), 2);
const event = {
  source: '/subscriptions/s/storageAccounts/state',
  id: 'e-1',
  kind: 'created' as const,
  api: 'PutBlob',
  account: 'state',
  container: 'sluice',
  path: `${runFolder(RUN)}/run-report.json`,
  eTag: '0x1',
  sequencer: '1',
  bytes: 900,
  time: '2026-11-22T12:00:00.000Z',
};

describe('a report is', () => {
  test.each([
    [`${runFolder(RUN)}/run-report.json`, RUN],
    [stepReportPath(runFolder(RUN), 'prepare'), RUN],
    [`${runFolder(SWEEP, 7)}/run-report.json`, trialJobName(SWEEP, 7)],
    [stepReportPath(runFolder(SWEEP, 7), 'train'), trialJobName(SWEEP, 7)],
  ])('%s of %s', (path, job) => {
    expect(jobOfReport(path)).toBe(job);
  });

  test.each([
    `${runFolder(RUN)}/model.tar.gz`,
    `${runFolder(RUN)}/files/train/run-report.json`,
    'runs/anything/run-report.json',
    `other/${runFolder(RUN)}/run-report.json`,
    `runs/../${RUN}/run-report.json`,
    `${runFolder(RUN, 0)}/run-report.json`,
  ])('not %s', (path) => {
    expect(jobOfReport(path)).toBeNull();
  });
});

test('one that lands in the store is a word about its job; elsewhere, or taken away, it is a file like any other', () => {
  const { source, id, time } = event;
  const renamed = { ...event, kind: 'renamed' as const };

  expect(reportSignal(event, 'sluice')).toEqual({ source, id, time, kind: 'job', subject: RUN, data: { type: 'report' } });
  expect(reportSignal(renamed, 'sluice')).toMatchObject({ subject: RUN });
  expect(reportSignal({ ...event, kind: 'deleted' }, 'sluice')).toBeNull();
  expect(withReportSignals({ events: [event, renamed], problems: ['x'] }, 'lake')).toEqual({ events: [event, renamed], problems: ['x'] });
});
