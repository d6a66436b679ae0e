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
import type { NewRun } from '../../shared/contracts/stories.ts';
import { specDigest } from '../../shared/decisions/identity.ts';
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
      const run = before ?? (await ports.runs.open(blank(fresh)));
      return { state: run.owner === fresh.owner ? ('opened' as const) : ('taken' as const), runId: run.runId, status: run.status };
    }),

    perform(recordRun, async ({ pipeline, runId, patch }) => {
      await ports.runs.patch(pipeline, runId, patch);
      return {};
    }),

    perform(readPlan, async ({ pipeline, contractDigest }) => {
      const { spec, images } = await pipelineVersion(ports.pipelines, pipeline, contractDigest);
      const image = images[spec.train.component];
      if (!image) throw new RejectedError('image-unknown', `The lock file has no image for component "${spec.train.component}"`);
      return {
        train: spec.train,
        specDigest: specDigest({ ...spec.train, image }),
        gates: spec.gates,
        environments: spec.environments,
        images,
      };
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
