// Steps on the serving platform: stage, move traffic, look, undo, and compare live answers with the training side's.
import { applyServing, checkParity, readEndpoint, restoreServing, stageServing } from '../../shared/contracts/activities/serving.ts';
import { compareWithGolden, madeUpRow, shapeOf } from '../../shared/decisions/parity.ts';
import { readableReport } from '../../shared/decisions/report.ts';
import { RejectedError } from '../../shared/errors/errors.ts';
import type { Store } from '../../shared/ports/lake.ts';
import type { ServingPlatform } from '../../shared/ports/serving-platform.ts';
import { perform, type Activity } from './kit.ts';
import { MAX_REPORT_BYTES } from './training.ts';

export interface ServingPorts {
  platform: ServingPlatform;
  store: Store;
}

export function servingActivities(ports: ServingPorts): Activity[] {
  const { platform } = ports;
  return [
    perform(stageServing, (request) => platform.stage(request)),
    perform(applyServing, async ({ configName, tags, ...place }) => ({ action: await platform.apply(place, configName, tags) })),
    perform(readEndpoint, (place) => platform.read(place)),
    perform(restoreServing, async ({ configName, ...place }) => ({ action: await platform.restore(place, configName) })),
    perform(checkParity, async ({ trainRunId, rowsStay, ...place }) => {
      const report = readableReport(trainRunId, await ports.store.read(`runs/${trainRunId}/run-report.json`, MAX_REPORT_BYTES));
      if (report.golden) return compareWithGolden(report.golden, await platform.invoke(place, report.golden.rows));
      const row = rowsStay ? madeUpRow(report) : null;
      if (row) return shapeOf(await platform.invoke(place, [row]));
      const mend = rowsStay ? ' Name releasable rows in train.releasable, or let the component give a made-up row (data.exampleRow)' : '';
      throw new RejectedError(
        'golden-missing',
        `The report of ${trainRunId} has no golden rows, so nothing can be compared; the promotion is undone.${mend}`,
      );
    }),
  ];
}
