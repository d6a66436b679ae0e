// Whether a run has to be looked at closely: one that works, of which nothing was wrong, and which Kubeflow shows as it did before is not,
// so that a quiet look is one request. Remembered in this process only: another instance looks closely once.
import type { JobState } from '../../contracts/training.ts';
import { digestOf } from '../../decisions/digest.ts';
import type { Run } from './wire.ts';

export interface Looks {
  /** What was seen of this run, where it still holds. */
  known(run: Run): JobState | null;
  remember(run: Run, state: JobState): void;
}

/** Runs that are remembered; beyond them the one that was looked at closely the longest ago is forgotten. */
const MOST = 500;

/** Pods say what Kubeflow does not (a node that is lost, a step that is silent): they are asked again every `closelyEverySeconds`. */
export function createLooks(closelyEverySeconds: number, now: () => number): Looks {
  const seen = new Map<string, { mark: string; state: JobState; at: number }>();
  return {
    known(run) {
      const last = seen.get(run.run_id);
      if (!last || now() - last.at >= closelyEverySeconds * 1000 || last.mark !== markOf(run)) return null;
      return last.state;
    },
    remember(run, state) {
      seen.delete(run.run_id);
      // What waits may get its machine at any moment, and what has trouble may be over it: only pods tell.
      if (state.state !== 'running' || state.reason !== null) return;
      seen.set(run.run_id, { mark: markOf(run), state, at: now() });
      const [oldest] = seen.size > MOST ? seen.keys() : [];
      if (oldest !== undefined) seen.delete(oldest);
    },
  };
}

function markOf({ state, error, state_history: history, run_details: details }: Run): string {
  return digestOf({ state, error, history, details });
}
