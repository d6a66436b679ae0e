// Activities on the records of runs, models, promotions and serving.
import * as z from 'zod';
import { Name, RunId, Sha256 } from '../identifiers.ts';
import { ModelVersion, Promotion, RunPatch, RunStatus, ServingEntry } from '../runs.ts';
import { NewRun, ParamOverrides } from '../stories.ts';
import { Environment, Gate, Train } from '../pipeline.ts';
import { activity, BRIEF, HASTY, PATIENT } from './contract.ts';

/**
 * Claims a key: `opened` when this owner has the run now (also on a repeat of the same call), `taken` when somebody else has or had it.
 * Where the work was only ever skipped, the next attempt is opened: its id is in the answer.
 */
export const openRun = activity({
  name: 'open-run',
  input: NewRun,
  output: z.strictObject({ state: z.enum(['opened', 'taken']), runId: RunId, status: RunStatus }),
  retry: PATIENT,
});

/** Writes progress or the end of a run. */
export const recordRun = activity({
  name: 'record-run',
  input: z.strictObject({ pipeline: Name, runId: RunId, patch: RunPatch }),
  output: z.strictObject({}),
  retry: PATIENT,
});

/** What an orchestration needs to know of the registered pipeline version, with the parameters of this run. */
export const readPlan = activity({
  name: 'read-plan',
  input: z.strictObject({
    pipeline: Name,
    contractDigest: Sha256,
    overrides: ParamOverrides.optional(),
    follow: Sha256.optional().describe(
      'Follow the current version instead when its training specification has this digest: gates may have changed',
    ),
  }),
  output: z.strictObject({
    contractDigest: Sha256.describe('The version that this is from'),
    train: Train,
    specDigest: Sha256,
    gates: z.array(Gate),
    environments: z.record(Name, Environment),
    images: z.record(z.string(), z.string()),
    rowsStay: z.boolean().optional().describe('The data stays on the premises'),
  }),
  retry: BRIEF,
});

export const registerModel = activity({ name: 'register-model', input: ModelVersion, output: z.strictObject({}), retry: BRIEF });

/** The model version, or a rejection `model-unknown`. */
export const readModel = activity({
  name: 'read-model',
  input: z.strictObject({ pipeline: Name, modelDigest: Sha256 }),
  output: ModelVersion,
  retry: BRIEF,
});

/** The metrics of the newest model that an environment of the pipeline serves; null when none does. */
export const readChampion = activity({
  name: 'read-champion',
  input: z.strictObject({ pipeline: Name }),
  output: z.strictObject({ champion: z.strictObject({ modelDigest: Sha256, metrics: z.record(z.string(), z.number()) }).nullable() }),
  retry: BRIEF,
});

export const recordPromotion = activity({ name: 'record-promotion', input: Promotion, output: z.strictObject({}), retry: BRIEF });

export const recordServing = activity({ name: 'record-serving', input: ServingEntry, output: z.strictObject({}), retry: BRIEF });

/** Publishes a transition of ours as a CloudEvent; without a topic it is a no-op. */
export const announce = activity({
  name: 'announce',
  input: z.strictObject({
    id: z.string().describe('Derived by the orchestration: a repeat publishes the same id'),
    type: z.enum(['run.started', 'run.succeeded', 'run.failed', 'run.skipped', 'budget.low', 'model.registered', 'endpoint.promoted']),
    subject: z.string(),
    at: z.string(),
    data: z.record(z.string(), z.unknown()),
  }),
  output: z.strictObject({}),
  retry: HASTY,
});
