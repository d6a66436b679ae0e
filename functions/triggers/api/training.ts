// The middle loop over HTTP: train with other parameters on the same gold, and search. The same work again is the run that did it.
import type { trainingOperations } from '../../../shared/contracts/http/training.ts';
import type { PipelineVersion } from '../../../shared/contracts/pipeline.ts';
import type { Run } from '../../../shared/contracts/runs.ts';
import { type ParamOverrides, TrainInput, type SweepInput } from '../../../shared/contracts/stories.ts';
import { instanceId, sweepKey, trainKey } from '../../../shared/decisions/identity.ts';
import { metricOfGates, spaceProblems } from '../../../shared/decisions/search.ts';
import { specDigestOf, withOverrides } from '../../../shared/decisions/train-spec.ts';
import { UserError, type UserProblem } from '../../../shared/errors/errors.ts';
import type { Starter } from '../../../shared/ports/starter.ts';
import type { ApiAnswer, ApiDeps, ApiHandler } from './call.ts';
import { runOf, trainingResultHandlers } from './training-results.ts';

type Served = typeof trainingOperations;
type Gold = TrainInput['gold'];
type Asked = ApiAnswer<Served['startTraining'] | Served['startSearch']>;

export function trainingHandlers(deps: ApiDeps): { [Key in keyof Served]: ApiHandler<Served[Key]> } {
  return {
    async startTraining({ params: { name }, body, caller, require, starter }) {
      require('operator', { pipeline: name });
      const version = await currentVersion(deps, name);
      const train = trainWith(version, body.params);
      const gold = await goldFor(deps, version, body.like);
      const specDigest = specDigestOf(train, version.images);
      const key = trainKey({ pipeline: name, goldDigest: gold.digest, specDigest });
      const overrides = Object.keys(body.params).length === 0 ? {} : { overrides: body.params };
      const input = { pipeline: name, contractDigest: version.digest, policy: deps.policy, key, gold, specDigest, ...overrides };
      return openAndStart(deps, starter, { story: 'train', input, by: caller.name, reason: body.reason });
    },

    async startSearch({ params: { name }, body, caller, require, starter }) {
      require('operator', { pipeline: name });
      const version = await currentVersion(deps, name);
      const train = trainWith(version, body.params);
      refuseSpace(version, body);
      const gated = metricOfGates(version.spec.gates);
      const metric = body.metric ?? gated?.metric;
      const direction = body.direction ?? (gated?.metric === metric ? gated?.direction : undefined);
      if (metric === undefined || direction === undefined) throw metricMissing(metric);
      const gold = await goldFor(deps, version, body.like);
      const specDigest = specDigestOf(train, version.images);
      const { space, trials, parallel, seed } = body;
      const key = sweepKey({ pipeline: name, goldDigest: gold.digest, specDigest, search: { space, trials, seed, metric, direction } });
      const overrides = Object.keys(body.params).length === 0 ? {} : { overrides: body.params };
      const what = { space, metric, direction, trials, parallel, seed, train: body.train };
      const input: Omit<SweepInput, 'runId'> = {
        pipeline: name,
        contractDigest: version.digest,
        policy: deps.policy,
        key,
        gold,
        specDigest,
        ...overrides,
        ...what,
      };
      return openAndStart(deps, starter, { story: 'sweep', input, by: caller.name, reason: body.reason });
    },

    ...trainingResultHandlers(deps),
  };
}

async function currentVersion({ pipelines }: ApiDeps, name: string): Promise<PipelineVersion> {
  const version = await pipelines.current(name);
  if (version) return version;
  throw new UserError(404, 'pipeline-unknown', `There is no pipeline "${name}"; register it with: sluice apply DIR`);
}

function trainWith(version: PipelineVersion, params: ParamOverrides) {
  const result = withOverrides(version.spec.train, params);
  if (result.ok) return result.train;
  throw invalidParams(result.problems);
}

/** Refuses a space whose parameters the pipeline does not declare, whose values are not of their types, or which are set as well. */
function refuseSpace(version: PipelineVersion, { space, params }: { space: SweepInput['space']; params: ParamOverrides }): void {
  const samples = Object.entries(space).flatMap(([name, range]) => {
    const values = 'choice' in range ? range.choice : 'uniform' in range ? range.uniform : range.logUniform;
    return values.map((value) => ({ [name]: value }));
  });
  const unfit = samples.flatMap((sample) => {
    const result = withOverrides(version.spec.train, sample);
    return result.ok ? [] : result.problems;
  });
  const fixed = Object.keys(params).filter((name) => Object.hasOwn(space, name));
  const twice = fixed.map((where) => ({ where, problem: 'is searched and set', mend: 'leave out one of the two' }));
  // Each end of a range has the problems of its parameter.
  const unlike = [...new Map(unfit.map((one) => [JSON.stringify(one), one])).values()];
  const problems = [...spaceProblems(space), ...twice, ...unlike];
  if (problems.length > 0) throw invalidParams(problems);
}

function invalidParams(problems: UserProblem[]): UserError {
  const [first] = problems;
  const detail = first ? `${first.where}: ${first.problem}${first.mend === undefined ? '' : ` (${first.mend})`}` : '';
  return new UserError(422, 'param-refused', `These parameters do not fit the pipeline. ${detail}`, problems);
}

function metricMissing(metric: string | undefined): UserError {
  const what = metric === undefined ? 'No gate names a metric to search for' : `No gate says whether more or less of "${metric}" is better`;
  return new UserError(422, 'metric-unclear', `${what}: send metric and direction (higher-is-better or lower-is-better)`);
}

/** The gold version of a run, or gold as it is now: an erasure or a case that was mended has moved it on without a refine run. */
async function goldFor(deps: ApiDeps, version: PipelineVersion, like: string | undefined): Promise<Gold> {
  const pipeline = version.name;
  if (like !== undefined) {
    const run = await runOf(deps, like);
    const gold = run.pipeline === pipeline ? goldOf(run) : null;
    if (gold) return gold;
    throw new UserError(409, 'gold-unknown', `Run ${like} has no gold version of pipeline "${pipeline}"`);
  }
  const gold = await deps.engine.readGold({ pipeline: version });
  if (gold) return gold;
  throw new UserError(409, 'gold-unknown', `Pipeline "${pipeline}" has no gold version yet: let data land in its folder first`);
}

function goldOf(run: Run): Gold | null {
  if (run.refined && run.status === 'succeeded') {
    const { table, path, version, digest } = run.refined.gold;
    return { table, path, version, digest };
  }
  const parsed = TrainInput.shape.gold.safeParse(run.input['gold']);
  return parsed.success ? parsed.data : null;
}

interface NewWork {
  story: 'train' | 'sweep';
  input: Omit<TrainInput, 'runId'> | Omit<SweepInput, 'runId'>;
  by: string;
  reason: string;
}

/** Opens the run and starts its story; the same work again is the run that did it, or does it. */
async function openAndStart(deps: ApiDeps, starter: () => Starter, { story, input, by, reason }: NewWork): Promise<Asked> {
  const { pipeline, contractDigest, key, gold } = input;
  const { table, version, digest } = gold;
  const before = (await deps.runs.attempts(pipeline, key)).filter(({ status }) => status !== 'skipped');
  const same = before.find(({ status }) => status === 'succeeded') ?? before.at(-1);
  const answer = (run: Run, state: 'started' | 'exists'): Asked => {
    const { runId, attempt, status } = run;
    return { status: state === 'started' ? 202 : 200, body: { runId, attempt, status, state, gold: { table, version, digest } } };
  };
  if (same && (same.status === 'failed' || same.status === 'cancelled')) {
    throw new UserError(
      409,
      'work-failed-before',
      `Run ${same.runId} did this and is ${same.status}; try it again with: sluice runs retry ${same.runId}`,
    );
  }
  // One that was opened and whose start did not follow (a crash between) is started now: a start is once for each id.
  if (same) {
    const now =
      same.owner === same.runId && same.status === 'running' && (await starter().start(story, same.instanceId, same.input)) === 'started';
    return answer(same, now ? 'started' : 'exists');
  }
  const attempt = (await deps.runs.attempts(pipeline, key)).length + 1;
  const runId = instanceId(story, pipeline, key, attempt);
  const at = deps.now().toISOString();
  await deps.audit.record({ at, actor: by, action: `pipeline.${story}`, subject: runId, detail: reason });
  const nothing = { failure: null, jobs: [], refined: null, trained: null, promoted: null, next: [], seconds: {}, finishedAt: null };
  const identity = { runId, story, pipeline, contractDigest, key, attempt, instanceId: runId, owner: runId };
  const opened = await deps.runs.open({
    ...identity,
    ...nothing,
    cause: { kind: 'person', ref: by },
    status: 'running',
    phase: 'opened',
    startedAt: at,
    input: { ...input, runId },
  });
  await starter().start(story, opened.instanceId, opened.input);
  return answer(opened, 'started');
}
