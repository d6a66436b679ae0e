// `retention run` over the real handlers, and how status tells of the timer's last pass.
import { expect, test } from 'vitest';
import type { VacuumedTable } from '../../shared/contracts/erasure.ts';
import { RejectedError } from '../../shared/errors/errors.ts';
import { minute, versionOf } from '../contracts/samples.ts';
import { servedApi } from './served-api.ts';

const asked: boolean[] = [];
const table: VacuumedTable = { layer: 'gold', path: 'gold/wine/training/', retention: '30d', files: 3, bytes: 300, logFiles: 2 };
const vacuum = async ({ pipeline, dryRun }: { pipeline: { name: string }; dryRun: boolean }) => {
  asked.push(dryRun);
  if (pipeline.name === 'odd') throw new RejectedError('table-unsupported', 'gold/odd/: deletion vectors');
  return [table];
};

async function served(...names: string[]) {
  const api = await servedApi({ erasure: { vacuum } as never, now: () => new Date(minute(1001)) });
  for (const name of names) {
    const { version, bundle } = versionOf(name, 'v');
    await api.deps.pipelines.put(version, bundle, 'ada', minute(0));
  }
  return api;
}

test('says what would go, removes it when asked to, and which table it could not look through', async () => {
  const { sluice } = await served('wine', 'odd');

  const dry = await sluice('retention', 'run', 'wine', '--dry-run', '--reason', 'disk is full');
  const all = await sluice('retention', 'run', '--reason', 'disk is full');

  expect(dry.code).toBe(0);
  expect(dry.out).toMatch(/table +kept for +files to go/);
  expect(dry.out).toMatch(/gold\/wine\/training\/ +30d +3 +300 +2/);
  expect(all.code).toBe(1);
  expect(all.out).toContain('files removed');
  expect(all.out).toContain('odd: table-unsupported: gold/odd/: deletion vectors');
  expect(asked).toEqual([true, false, false]);
});

test('status tells when the tables were looked through last', async () => {
  const { deps, sluice } = await served();
  const last = { startedAt: minute(0), finishedAt: minute(1), tables: 6, files: 12, bytes: 9, failed: ['odd'] };
  await deps.vitals.setRetaining({ pass: null, last });

  expect((await sluice('status')).out).toMatch(/retained .*12 files removed from 6 tables; could not look through odd/);
});
