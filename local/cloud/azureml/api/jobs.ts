// Jobs over ARM: create, update, read, list, cancel, delete. A PUT is no long operation; cancelling and deleting are (facts/azure.md §1.2).
// A second PUT of a name runs nothing again: it replaces the tags and changes what may change (facts/azure.md §1.5).
import { json } from '../../kit/body.ts';
import { isTerminal, type JobRecord, type JsonObject } from '../model.ts';
import { addJob } from '../execution/records.ts';
import { outputUris } from '../execution/plan.ts';
import { JOB_NAME } from '../names.ts';
import { ProviderError, notFound } from './arm-error.ts';
import { stored, type Call } from './context.ts';
import { JobBody, type JobProperties } from './job-bodies.ts';
import { checkJob } from './job-rules.ts';
import { jobView } from './job-views.ts';
import { inView, page } from './listing.ts';
import { invalid, readBody } from './read-body.ts';

/** A job of the workspace; names of jobs have case. Throws 404. */
function found(call: Call): JobRecord {
  const { name = '' } = call.params;
  const job = call.workspace.store.job(name);
  if (!job) throw notFound(`Job ${name.slice(0, 256)} not found.`, 'name');
  return job;
}

export async function putJob(call: Call): Promise<Response> {
  const { context, workspace, caller } = call;
  const { name = '' } = call.params;
  if (!JOB_NAME.test(name))
    throw invalid(`'${name.slice(0, 100)}' is not a name of a job: letters, digits, '-' and '_', at most 255.`, 'name');
  const { properties } = await readBody(call.request, JobBody);
  // Nothing may wait between the look and the creation: two PUTs of one name make one job.
  const existing = workspace.store.job(name);
  if (existing) return stored(jobView(context, workspace, update(call, existing, properties)), false);
  checkJob(workspace, properties);
  const {
    description,
    tags,
    properties: userProperties,
    displayName,
    isArchived,
    status: _status,
    services: _services,
    ...spec
  } = properties;
  const job = addJob(workspace.store, context.clock, {
    name,
    jobType: properties.jobType,
    spec: spec as unknown as JsonObject,
    displayName,
    description,
    tags,
    userProperties,
    isArchived,
    experimentName: properties.experimentName ?? 'Default',
    author: caller.author,
    outputUris: outputUris(workspace, name, properties.outputs),
  });
  workspace.runner.start(job);
  return stored(jobView(context, workspace, job), true);
}

function update({ workspace, context }: Call, job: JobRecord, body: JobProperties): JobRecord {
  if (body.jobType !== job.jobType)
    throw invalid(`Job ${job.name} is a ${job.jobType} job; its type cannot be changed.`, 'properties.jobType');
  if (body.experimentName && body.experimentName !== job.experimentName) {
    // The words are those of public issues about the run history.
    throw new ProviderError(
      400,
      `Cannot create a run with runId=${job.name} and experimentName=${body.experimentName}. As a run with runId=${job.name} and experimentName=${job.experimentName} already exists in the workspace.`,
      'properties.experimentName',
    );
  }
  const run = workspace.store.tracking.run(job.name);
  if (run) {
    for (const key of Object.keys(job.tags)) delete run.tags[key];
    Object.assign(run.tags, body.tags ?? {});
    workspace.store.tracking.save(run);
  }
  job.tags = { ...body.tags };
  job.userProperties = { ...body.properties, ...job.userProperties };
  if (body.displayName) job.displayName = body.displayName;
  if (body.description !== undefined) job.description = body.description;
  if (typeof body.isArchived === 'boolean') job.isArchived = body.isArchived;
  job.modifiedAt = context.clock.now();
  workspace.store.saveJob(job);
  return job;
}

export const getJob = (call: Call): Response => json(jobView(call.context, call.workspace, found(call)));

/** Newest first; children are not listed; a new job may be missing for a while (an option). */
export function listJobs(call: Call): Response {
  const { context, workspace, url } = call;
  const { options, clock } = context;
  const since = clock.now() - (options.delays?.listMs ?? 0);
  const type = url.searchParams.get('jobType');
  const tag = url.searchParams.get('tag');
  const [key = '', value] = tag?.split('=') ?? [];
  const jobs = workspace.store
    .jobs()
    .filter((job) => job.parent === undefined && job.createdAt <= since)
    .filter(inView(url))
    .filter((job) => type === null || job.jobType === type)
    .filter((job) => tag === null || (Object.hasOwn(job.tags, key) && (value === undefined || job.tags[key] === value)))
    .sort((a, b) => b.createdAt - a.createdAt || (a.name < b.name ? -1 : 1));
  return page(jobs, url, options.pageSize ?? 20, (job) => jobView(context, workspace, job));
}

/** 202 with `Location`; for a job that has ended 200: there is nothing to cancel. */
export function cancelJob(call: Call): Response {
  const job = found(call);
  const { context, workspace } = call;
  if (isTerminal(job.status)) return new Response(null, { status: 200 });
  workspace.runner.cancel(job, call.caller.author);
  const headers = context.operations.start(call, `${workspace.id}/jobs/${job.name}`, workspace.region, () =>
    workspace.runner.settled(job.name),
  );
  return new Response(null, { status: 202, headers });
}

/** Only a job that has ended can be deleted (perhaps stricter than the service). Its children go with it. */
export function deleteJob(call: Call): Response {
  const job = call.workspace.store.job(call.params['name'] ?? '');
  if (!job) return new Response(null, { status: 204 });
  const { context, workspace } = call;
  if (!isTerminal(job.status)) throw new ProviderError(409, `Job ${job.name} is ${job.status}. Cancel it before you delete it.`, 'name');
  const headers = context.operations.start(call, `${workspace.id}/jobs/${job.name}`, workspace.region, async () => {
    for (const { name } of workspace.store.jobs().filter(({ name: other, root }) => other === job.name || root === job.name)) {
      const run = workspace.store.tracking.run(name);
      if (run) {
        run.lifecycle = 'deleted';
        workspace.store.tracking.save(run);
      }
      workspace.store.dropJob(name);
    }
  });
  return new Response(null, { status: 202, headers });
}
