// Follows one run that a person asked for until it has ended.
import type { RunSummary } from '../shared/contracts/http-api.ts';
import type { Run } from '../shared/contracts/runs.ts';
import type { Api } from './api.ts';
import { EXIT } from './failure.ts';
import type { Output } from './output.ts';
import { narrator } from './story-lines.ts';

const POLL_MS = 500;

/** The run as it ended, and the exit code that says how. */
export async function watchRun(api: Api, output: Output, runId: string): Promise<{ run: Run; exitCode: number }> {
  const watching = narrator(output);
  let seen = '';
  for (;;) {
    const run = await api.find<Run & RunSummary>(`/runs/${encodeURIComponent(runId)}`);
    if (run && `${run.status} ${run.phase}` !== seen) {
      seen = `${run.status} ${run.phase}`;
      watching.phase(run);
    }
    if (run && run.status !== 'running') return { run, exitCode: run.status === 'succeeded' ? EXIT.done : EXIT.runFailed };
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
