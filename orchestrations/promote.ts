// The story of one promotion: lock the endpoint, publish the artifact, stage, move traffic, check parity; whatever fails is undone.
import type { OrchestrationContext, Task } from 'durable-functions';
import { readModel, readPlan, recordPromotion, recordServing } from '../shared/contracts/activities/runs.ts';
import { applyServing, checkParity, stageServing } from '../shared/contracts/activities/serving.ts';
import { submitPublication, verifyArtifact } from '../shared/contracts/activities/training.ts';
import type { Environment, SagemakerTarget } from '../shared/contracts/pipeline.ts';
import type { ModelVersion, ParityResult, PromoteResult } from '../shared/contracts/runs.ts';
import { PromoteInput, type Outcome } from '../shared/contracts/stories.ts';
import { ActivityRejected, call, failureOf, type Story } from './kit/call.ts';
import { heed } from './kit/cancel.ts';
import { restoreEndpoint, untilArrived, untilRest } from './kit/endpoint.ts';
import { awaitJob } from './kit/job.ts';
import { lockEndpoint, unlockEndpoint } from './kit/lock.ts';
import { narrate, note, transition } from './kit/run.ts';
import { now, secondsSince } from './kit/time.ts';

interface Setting {
  input: PromoteInput;
  environment: Environment;
  target: SagemakerTarget;
  image: string;
  model: ModelVersion;
  /** The data stays on the premises: golden rows are there only where some were declared releasable. */
  rowsStay: boolean;
  cancel: Task;
}

export function* promote(context: OrchestrationContext): Story<Outcome> {
  const input = PromoteInput.parse(context.df.getInput());
  return yield* narrate(context, input, (cancel) => promoteLocked(context, input, cancel));
}

function* promoteLocked(context: OrchestrationContext, input: PromoteInput, cancel: Task): Story<Outcome> {
  const setting = { ...(yield* readSetting(context, input)), cancel };
  const { target } = setting;
  const name = `sagemaker/${target.region}/${target.endpoint}`;
  yield* note(context, input, { phase: 'locking' });
  yield* lockEndpoint(context, name, input.runId, target.healthyWithin, cancel);
  try {
    return yield* promoteTo(context, setting, name);
  } finally {
    yield* unlockEndpoint(context, name, input.runId);
  }
}

function* promoteTo(context: OrchestrationContext, setting: Setting, name: string): Story<Outcome> {
  const { input, environment, target, model, cancel } = setting;
  const { pipeline, runId, policy } = input;
  const place = { region: target.region, endpoint: target.endpoint };
  const artifactUri = yield* publish(context, setting);
  heed(cancel, 'before anything was deployed');

  const deployedAt = now(context);
  yield* note(context, input, { phase: 'staging' });
  const before = yield* untilRest(context, place, policy);
  const tags = { 'sluice:pipeline': pipeline, 'sluice:run': runId };
  const staged = yield* call(context, stageServing, { target, image: setting.image, modelDigest: model.modelDigest, artifactUri, tags });
  heed(cancel, 'before any traffic was moved');

  let parity: ParityResult;
  try {
    yield* note(context, input, { phase: 'deploying' });
    yield* call(context, applyServing, { ...place, configName: staged.configName, tags });
    yield* untilArrived(context, place, staged.configName, target.healthyWithin, policy, cancel);
    yield* note(context, input, { phase: 'checking', seconds: { deploy: secondsSince(context, deployedAt) } });
    parity = yield* checkAgainstGolden(context, setting, place);
    heed(cancel, `while ${target.endpoint} was being checked; the endpoint was restored`);
    const { modelDigest } = model;
    const served = { endpoint: name, environment: input.environment, pipeline, modelDigest, ...staged, promotionId: runId };
    yield* call(context, recordServing, { ...served, since: now(context) });
  } catch (error) {
    yield* noteRestoring(context, input);
    yield* restoreEndpoint(context, place, before.configName, policy, error);
    throw error;
  }

  const promoted: PromoteResult = {
    environment: input.environment,
    target: target.name,
    endpoint: target.endpoint,
    region: target.region,
    modelDigest: model.modelDigest,
    artifactUri,
    ...staged,
    previousConfig: before.configName,
    parity,
  };
  const seconds = { promote: secondsSince(context, deployedAt) };
  yield* note(context, input, { phase: 'serving', status: 'succeeded', promoted, seconds, finishedAt: now(context) });
  yield* transition(context, input, 'run.succeeded', { endpoint: name, modelDigest: model.modelDigest });
  yield* transition(context, input, 'endpoint.promoted', {
    endpoint: name,
    modelDigest: model.modelDigest,
    environment: environment.development ? 'development' : 'protected',
  });
  return { status: 'succeeded', runId, note: `${name} serves ${model.modelDigest.slice(0, 12)}` };
}

/** Putting the endpoint back does not depend on whether it could be written down that it is. */
function* noteRestoring(context: OrchestrationContext, input: PromoteInput): Story<void> {
  try {
    yield* note(context, input, { phase: 'restoring' });
  } catch (error) {
    if (!context.df.isReplaying) context.warn(`${input.runId}: the phase was not recorded: ${failureOf(error).message}`);
  }
}

/** The model's archive is in the target's bucket under its digest, sent by the training side; we only look. */
function* publish(context: OrchestrationContext, setting: Setting): Story<string> {
  const { input, target, model, cancel } = setting;
  const { pipeline, contractDigest, runId, policy } = input;
  const startedAt = now(context);
  yield* note(context, input, { phase: 'publishing' });
  // The site that trained it sends it: on-premises that is the only one that has it.
  const backend = model.backend ?? 'kubeflow';
  const publication = yield* call(context, submitPublication, {
    backend,
    runId,
    pipeline,
    contractDigest,
    modelDigest: model.modelDigest,
    archive: model.archive,
    region: target.region,
    bucket: target.bucket,
    signedUrlSeconds: policy.signedUrlSeconds,
  });
  if (publication.job) {
    const done = yield* awaitJob(context, input, { stage: 'publish', backend, ...publication.job }, { deadline: '30m' }, cancel);
    yield* note(context, input, { seconds: { 'publish.queued': done.queuedSeconds ?? 0, 'publish.working': done.executionSeconds ?? 0 } });
  }
  const { sha256, bytes } = model.archive;
  const verified = yield* call(context, verifyArtifact, {
    region: target.region,
    bucket: target.bucket,
    modelDigest: model.modelDigest,
    archive: { sha256, bytes },
  });
  yield* note(context, input, { phase: 'published', seconds: { publish: secondsSince(context, startedAt) } });
  return verified.artifactUri;
}

function* checkAgainstGolden(
  context: OrchestrationContext,
  setting: Setting,
  place: { region: string; endpoint: string },
): Story<ParityResult> {
  const staying = setting.rowsStay ? { rowsStay: true } : {};
  const parity = yield* call(context, checkParity, { ...place, trainRunId: setting.model.runId, ...staying });
  if (parity.shapeOnly !== undefined) return parity;
  const share = parity.rowsChecked === 0 ? 0 : parity.rowsAgreeing / parity.rowsChecked;
  if (share < setting.environment.parity || parity.rowsChecked === 0) {
    const message = `The endpoint agrees with the training side on ${parity.rowsAgreeing} of ${parity.rowsChecked} golden rows; ${parity.worst ?? 'no row was checked'}`;
    throw new ActivityRejected({ code: 'parity-failed', message });
  }
  return parity;
}

function* readSetting(context: OrchestrationContext, input: PromoteInput): Story<Omit<Setting, 'cancel'>> {
  const { pipeline, contractDigest, modelDigest, runId } = input;
  const plan = yield* call(context, readPlan, { pipeline, contractDigest });
  const environment = plan.environments[input.environment];
  const target = environment?.targets[0];
  if (!environment || !target) {
    throw new ActivityRejected({ code: 'environment-unknown', message: `Pipeline ${pipeline} has no environment "${input.environment}"` });
  }
  const image = plan.images[target.component];
  if (!image)
    throw new ActivityRejected({ code: 'image-unknown', message: `The lock file has no image for component "${target.component}"` });
  const model = yield* call(context, readModel, { pipeline, modelDigest });
  const requestedAt = now(context);
  yield* call(context, recordPromotion, {
    promotionId: runId,
    environment: input.environment,
    pipeline,
    modelDigest,
    request: 0,
    requestedBy: `run ${model.runId}`,
    reason: 'the run itself',
    requestedAt,
  });
  return { input, environment, target, image, model, rowsStay: plan.rowsStay ?? false };
}
