// What trainings and searches share: the choice of a backend, a failed component's own words, and promotions that start by run.
import type { OrchestrationContext } from 'durable-functions';
import type { z } from 'zod';
import type { readPlan } from '../../shared/contracts/activities/runs.ts';
import { checkBackends, explainFailure } from '../../shared/contracts/activities/training.ts';
import type { Environment } from '../../shared/contracts/pipeline.ts';
import type { BackendChoice } from '../../shared/contracts/runs.ts';
import type { ParamOverrides, TrainInput } from '../../shared/contracts/stories.ts';
import type { JobState } from '../../shared/contracts/training.ts';
import { chooseBackend } from '../../shared/decisions/choose-backend.ts';
import { promoteKey } from '../../shared/decisions/identity.ts';
import { ActivityRejected, call, type Story } from './call.ts';
import { JobFailed } from './job.ts';
import { open, type Opened } from './run.ts';

/** The pipeline version that a run follows. */
export type Plan = z.infer<typeof readPlan.output>;

/** Asks the pipeline's backends; rejects `no-backend` with what each of them lacks. */
export function* chosenBackend(
  context: OrchestrationContext,
  plan: Plan,
  { pipeline, overrides }: { pipeline: string; overrides?: ParamOverrides | undefined },
): Story<BackendChoice> {
  const asked = { pipeline, contractDigest: plan.contractDigest, ...(overrides === undefined ? {} : { overrides }) };
  const { checks } = yield* call(context, checkBackends, asked);
  const choice = chooseBackend(checks);
  if (choice.kind === 'none') throw new ActivityRejected({ code: 'no-backend', message: choice.reason });
  return choice.choice;
}

/** A job that failed says why in its backend's words; where its component left a report, its own words are added. */
export function* explained(
  context: OrchestrationContext,
  run: Pick<TrainInput, 'pipeline' | 'contractDigest' | 'runId'>,
  wait: () => Story<JobState>,
): Story<JobState> {
  try {
    return yield* wait();
  } catch (error) {
    if (!(error instanceof JobFailed) || error.rejection.code !== 'job-failed') throw error;
    const { pipeline, contractDigest, runId } = run;
    const { said } = yield* call(context, explainFailure, { pipeline, contractDigest, runId });
    if (said === null) throw error;
    throw new JobFailed({ code: error.rejection.code, message: `${error.message}. The component said: ${said}` }, error.state);
  }
}

/** Environments that start by run get their promotion at once; the others wait for a person. */
export function* openPromotions(
  context: OrchestrationContext,
  run: Pick<TrainInput, 'pipeline' | 'contractDigest' | 'policy' | 'runId'>,
  environments: Readonly<Record<string, Environment>>,
  modelDigest: string,
): Story<Opened[]> {
  const { pipeline, contractDigest, policy, runId } = run;
  const opened: Opened[] = [];
  for (const [environment, { start }] of Object.entries(environments)) {
    if (start !== 'run') continue;
    const key = promoteKey({ modelDigest, environment, request: 0 });
    const cause = { kind: 'run' as const, ref: runId };
    const input = { pipeline, contractDigest, policy, environment, modelDigest };
    opened.push(yield* open(context, 'promote', { pipeline, contractDigest, key, cause, input }));
  }
  return opened;
}
