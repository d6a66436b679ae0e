// Which submissions say that an event will tell of the job's end, also over a port that is loaded on first use.
import { expect, test } from 'vitest';
import { hinting, leavesReport } from '../../functions/hints.ts';
import { lazily } from '../../functions/lazy.ts';
import type { JobExport } from '../../shared/contracts/training.ts';

interface Place {
  submit(job: { exports: JobExport[] }): Promise<{ jobId: string; adopted: boolean; hinted?: boolean }>;
  cancel(jobId: string): Promise<string>;
}
const exported = (file: string, optional: boolean): JobExport => ({
  ...{ step: 'train', output: 'result', file, optional },
  ...{ storePath: `runs/r/${file}`, url: 'https://store/x', readUrl: 'https://store/x' },
});
const place: Place = {
  submit: () => Promise.resolve({ jobId: 'j', adopted: false }),
  cancel: (jobId) => Promise.resolve(`cancelled ${jobId}`),
};

test.each([['at once', place] as const, ['late', lazily(() => Promise.resolve(place))] as const])(
  'a job that leaves its report is told of, where the backend is loaded %s',
  async (_when, backend) => {
    const told = hinting(backend, leavesReport);

    expect(await told.submit({ exports: [exported('model.tar.gz', false), exported('run-report.json', false)] })).toEqual({
      ...{ jobId: 'j', adopted: false, hinted: true },
    });
    expect(await told.submit({ exports: [exported('run-report.json', true)] })).toEqual({ jobId: 'j', adopted: false });
    expect(await told.submit({ exports: [] })).toEqual({ jobId: 'j', adopted: false });
    expect(await told.cancel('j')).toBe('cancelled j');
    expect(await Promise.resolve(told)).toBe(told);
  },
);
