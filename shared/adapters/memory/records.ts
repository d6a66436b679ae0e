// Runs, models, promotions and serving history in memory, under the same rules as those in tables.
import { runIdParts } from '../../contracts/identifiers.ts';
import type { ModelVersion, Promotion, Run, ServingEntry } from '../../contracts/runs.ts';
import { patchedRun } from '../../decisions/patched-run.ts';
import type { ModelRegistry, PromotionStore, RunStore, ServingHistory } from '../../ports/stores.ts';
import { RejectedError } from '../../errors/errors.ts';
import { createKept, newestFirst, pageOf } from './kept.ts';

export function createMemoryRunStore(): RunStore {
  const runs = createKept<Run>();
  const keyOf = (pipeline: string, runId: string) => `${pipeline}/${runId}`;
  return {
    async open(run) {
      const parts = runIdParts(run.runId);
      if (
        parts?.pipeline !== run.pipeline ||
        parts.attempt !== run.attempt ||
        !run.key.startsWith(parts.key) ||
        parts.story !== run.story
      ) {
        throw new RejectedError('run-id-mismatch', `The id ${run.runId} does not name this story, pipeline, key and attempt`);
      }
      const stored = runs.get(keyOf(run.pipeline, run.runId));
      if (stored && stored.key !== run.key)
        throw new RejectedError('key-collision', `Run ${run.runId} exists with another key: ${stored.key}`);
      if (!stored) runs.set(keyOf(run.pipeline, run.runId), run);
      return stored ?? structuredClone(run);
    },
    async get(pipeline, runId) {
      return runs.get(keyOf(pipeline, runId));
    },
    async find(runId) {
      return runs.all().find((run) => run.runId === runId) ?? null;
    },
    async attempts(pipeline, key) {
      const same = runs.all().filter((run) => run.pipeline === pipeline && run.key === key);
      return same.sort((a, b) => a.attempt - b.attempt);
    },
    async patch(pipeline, runId, patch) {
      const stored = runs.get(keyOf(pipeline, runId));
      if (!stored) throw new RejectedError('run-unknown', `There is no run ${runId} in pipeline ${pipeline}`);
      const run = patchedRun(stored, structuredClone(patch));
      runs.set(keyOf(pipeline, runId), run);
      return run;
    },
    async list({ pipeline, status }, limit, after) {
      const fits = (run: Run) => (pipeline === undefined || run.pipeline === pipeline) && (status === undefined || run.status === status);
      const sorted = newestFirst(
        runs.all().filter(fits),
        (run) => run.startedAt,
        ({ runId }) => runId,
      );
      return pageOf(sorted, ({ runId }) => runId, limit, after);
    },
  };
}

export function createMemoryModelRegistry(): ModelRegistry {
  const models = createKept<ModelVersion>();
  const keyOf = (pipeline: string, modelDigest: string) => `${pipeline}/${modelDigest}`;
  return {
    async register(model) {
      const key = keyOf(model.pipeline, model.modelDigest);
      if (!models.get(key)) models.set(key, model);
    },
    async get(pipeline, modelDigest) {
      return models.get(keyOf(pipeline, modelDigest));
    },
    async find(digestPrefix) {
      if (!/^[0-9a-f]{8,64}$/.test(digestPrefix)) {
        throw new RejectedError('digest-prefix', 'Name a model by at least 8 of its 64 lower-case hex characters');
      }
      return models.all().filter((model) => model.modelDigest.startsWith(digestPrefix));
    },
    async list(pipeline, limit) {
      const fitting = models.all().filter((model) => pipeline === undefined || model.pipeline === pipeline);
      return newestFirst(
        fitting,
        (model) => model.createdAt,
        ({ modelDigest }) => modelDigest,
      ).slice(0, limit);
    },
  };
}

export function createMemoryPromotionStore(): PromotionStore {
  const promotions = createKept<Promotion>();
  return {
    async record(promotion) {
      const key = `${promotion.environment}/${promotion.promotionId}`;
      if (promotions.get(key)) return 'known';
      promotions.set(key, promotion);
      return 'recorded';
    },
    async find(promotionId) {
      return promotions.all().find((promotion) => promotion.promotionId === promotionId) ?? null;
    },
    async list({ environment, modelDigest }, limit) {
      const fitting = promotions
        .all()
        .filter((promotion) => environment === undefined || promotion.environment === environment)
        .filter((promotion) => modelDigest === undefined || promotion.modelDigest === modelDigest);
      return newestFirst(
        fitting,
        (promotion) => promotion.requestedAt,
        ({ promotionId }) => promotionId,
      ).slice(0, limit);
    },
  };
}

export function createMemoryServingHistory(): ServingHistory {
  const entries = createKept<ServingEntry>();
  const of = (endpoint: string) => {
    const same = entries.all().filter((entry) => entry.endpoint === endpoint);
    return newestFirst(
      same,
      (entry) => entry.since,
      ({ promotionId }) => promotionId,
    );
  };
  return {
    async record(entry) {
      if (!/^[a-z0-9-]+(\/[a-z0-9-]+){2}$/.test(entry.endpoint)) {
        throw new RejectedError('endpoint-name', `"${entry.endpoint}" is not <platform>/<region>/<name>`);
      }
      const key = `${entry.endpoint} ${Date.parse(entry.since)} ${entry.promotionId}`;
      if (!entries.get(key)) entries.set(key, entry);
    },
    async at(endpoint, instant) {
      const until = instant === undefined ? Infinity : Date.parse(instant);
      return of(endpoint).find((entry) => Date.parse(entry.since) <= until) ?? null;
    },
    async current() {
      const endpoints = [...new Set(entries.all().map((entry) => entry.endpoint))].sort();
      return endpoints.flatMap((endpoint) => of(endpoint).slice(0, 1));
    },
    async history(endpoint, limit) {
      return of(endpoint).slice(0, limit);
    },
  };
}
