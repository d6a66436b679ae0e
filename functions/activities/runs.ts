// Steps on the records: runs, models, promotions, serving history, and the announcements of their transitions.
import {
  announce,
  openRun,
  readChampion,
  readModel,
  readPlan,
  recordPromotion,
  recordRun,
  recordServing,
  registerModel,
} from '../../shared/contracts/activities/runs.ts';
import type { Run } from '../../shared/contracts/runs.ts';
import type { PipelineVersion } from '../../shared/contracts/pipeline.ts';
import type { NewRun, ParamOverrides } from '../../shared/contracts/stories.ts';
import { instanceId } from '../../shared/decisions/identity.ts';
import { overridden, specDigestOf } from '../../shared/decisions/train-spec.ts';
import { RejectedError } from '../../shared/errors/errors.ts';
import type { Announcer } from '../../shared/ports/platform.ts';
import type { ModelRegistry, PipelineRegistry, PromotionStore, RunStore, ServingHistory } from '../../shared/ports/stores.ts';
import { pipelineVersion } from './data.ts';
import { perform, type Activity } from './kit.ts';

export interface RunPorts {
  runs: RunStore;
  models: ModelRegistry;
  promotions: PromotionStore;
  serving: ServingHistory;
  pipelines: PipelineRegistry;
  announcer: Announcer;
}

export function runActivities(ports: RunPorts): Activity[] {
  return [
    perform(openRun, async (fresh) => {
      const attempts = await ports.runs.attempts(fresh.pipeline, fresh.key);
      const before = attempts.find((run) => run.status === 'succeeded') ?? attempts.at(-1);
      const run = before && !mayFollow(before, fresh) ? before : await ports.runs.open(blank(nextAttempt(fresh, before)));
      return { state: run.owner === fresh.owner ? ('opened' as const) : ('taken' as const), runId: run.runId, status: run.status };
    }),

    perform(recordRun, async ({ pipeline, runId, patch }) => {
      await ports.runs.patch(pipeline, runId, patch);
      return {};
    }),

    perform(readPlan, async ({ pipeline, contractDigest, overrides, follow }) => {
      const current = follow === undefined ? null : await ports.pipelines.current(pipeline);
      const followed = current && planUnlessUnfit(current, overrides);
      if (followed && followed.specDigest === follow) return followed;
      return planOf(await pipelineVersion(ports.pipelines, pipeline, contractDigest), overrides);
    }),

    perform(registerModel, async (model) => {
      await ports.models.register(model);
      return {};
    }),

    perform(readModel, async ({ pipeline, modelDigest }) => {
      const model = await ports.models.get(pipeline, modelDigest);
      if (!model) throw new RejectedError('model-unknown', `Pipeline ${pipeline} has no model ${modelDigest.slice(0, 12)}`);
      return model;
    }),

    perform(readChampion, async ({ pipeline }) => {
      const serving = (await ports.serving.current()).filter((entry) => entry.pipeline === pipeline);
      const newest = serving.sort((a, b) => (a.since < b.since ? 1 : -1))[0];
      if (!newest) return { champion: null };
      // A champion whose record is lost is not "none": without its numbers the gate stays undecided.
      const model = await ports.models.get(pipeline, newest.modelDigest);
      return { champion: { modelDigest: newest.modelDigest, metrics: model?.metrics ?? {} } };
    }),

    perform(recordPromotion, async (promotion) => {
      await ports.promotions.record(promotion);
      return {};
    }),

    perform(recordServing, async (entry) => {
      await ports.serving.record(entry);
      return {};
    }),

    perform(announce, async (event) => {
      await ports.announcer.publish(event);
      return {};
    }),
  ];
}

/** What a version asks of a training with these parameters. */
function planOf({ digest, spec, images }: PipelineVersion, overrides: ParamOverrides | undefined) {
  const train = overridden(spec.train, overrides);
  const specDigest = specDigestOf(train, images);
  const plan = { contractDigest: digest, train, specDigest, gates: spec.gates, environments: spec.environments, images };
  return spec.data === 'on-premises' ? { ...plan, rowsStay: true } : plan;
}

/** null where the version has no such parameters or images: then it is not the one to follow. */
function planUnlessUnfit(version: PipelineVersion, overrides: ParamOverrides | undefined) {
  try {
    return planOf(version, overrides);
  } catch (error) {
    if (error instanceof RejectedError) return null;
    throw error;
  }
}

/** Work that was only ever skipped may be opened again by somebody else; its owner's repeated call finds what it opened. */
function mayFollow(before: Run, fresh: NewRun): boolean {
  return before.status === 'skipped' && before.owner !== fresh.owner;
}

function nextAttempt(fresh: NewRun, before: Run | undefined): NewRun {
  if (!before) return fresh;
  const attempt = before.attempt + 1;
  const runId = instanceId(fresh.story, fresh.pipeline, fresh.key, attempt);
  return { ...fresh, attempt, runId, instanceId: runId, input: { ...fresh.input, runId } };
}

function blank(fresh: NewRun): Run {
  return {
    ...fresh,
    status: 'running',
    phase: 'opened',
    finishedAt: null,
    failure: null,
    jobs: [],
    refined: null,
    trained: null,
    promoted: null,
    next: [],
    seconds: {},
  };
}
