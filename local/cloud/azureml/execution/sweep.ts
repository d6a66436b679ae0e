// A sweep: trials as child jobs `{sweep}_{n}`, so many at once as allowed, median stopping between them, the best one noted on the parent.
// Metrics come from the trials' runs in MLflow, as they are logged.
import { randomInt } from 'node:crypto';
import type { SweepJob } from '../api/job-bodies.ts';
import { durationMs } from '../durations.ts';
import type { JobRecord, JsonObject } from '../model.ts';
import type { Machinery } from './command.ts';
import { bestOf, stopsNow } from './early-stopping.ts';
import { createLive, failed, type Live, type Outcome } from './live.ts';
import { defaultOutputUri } from './plan.ts';
import { addJob } from './records.ts';
import { gridTrials, randomTrials, readSearchSpace, type Value } from './search-space.ts';

/** Runs a child job to its end and gives its outcome. */
export type RunChild = (child: JobRecord, live: Live) => Promise<Outcome>;

const DEFAULT_TRIALS = 1000;

/** The trials of a sweep, in order. */
export function* trialsOf(spec: SweepJob): Generator<Record<string, Value>> {
  const space = readSearchSpace(spec.searchSpace);
  const limit = spec.limits?.maxTotalTrials ?? DEFAULT_TRIALS;
  const { samplingAlgorithm } = spec;
  const source =
    samplingAlgorithm.samplingAlgorithmType === 'Grid'
      ? gridTrials(space)
      : randomTrials(space, 'seed' in samplingAlgorithm ? (samplingAlgorithm.seed ?? randomInt(2 ** 31)) : randomInt(2 ** 31));
  let count = 0;
  for (const trial of source) {
    if (count >= limit) return;
    count += 1;
    yield trial;
  }
}

/** Runs the sweep to its end. */
export async function runSweep(machinery: Machinery, job: JobRecord, live: Live, runChild: RunChild): Promise<Outcome> {
  const { journal, store, options } = machinery;
  const spec = job.spec as unknown as SweepJob;
  const metric = spec.objective.primaryMetric;
  const { goal } = spec.objective;
  journal.status(job, 'Preparing');
  journal.status(job, 'Running');

  const values = new Map<string, number[]>();
  const lives = new Map<string, Live>();
  const policy = spec.earlyTermination && {
    evaluationInterval: spec.earlyTermination.evaluationInterval ?? 1,
    delayEvaluation: spec.earlyTermination.delayEvaluation ?? 0,
  };
  const deaf = store.tracking.listen((runId, metrics) => {
    const own = values.get(runId);
    if (!own) return;
    for (const { key, value } of metrics) {
      if (key !== metric) continue;
      own.push(value);
      if (policy && stopsNow(goal, policy, own, [...values.values()])) {
        lives
          .get(runId)
          ?.stop({ status: 'Canceled', reason: `median stopping: ${metric} is worse than the median after ${own.length} values` });
      }
    }
  });
  const limitMs = spec.limits?.timeout ? durationMs(spec.limits.timeout) : undefined;
  const timer =
    limitMs === undefined
      ? undefined
      : setTimeout(() => {
          live.stop({ status: 'Canceled', reason: `The sweep ran longer than its limit of ${limitMs / 1000} s and was cancelled.` });
        }, limitMs);

  const outcomes: Outcome[] = [];
  const trials = trialsOf(spec);
  let number = 0;
  const worker = async (): Promise<void> => {
    while (!live.stopped()) {
      const next = trials.next();
      if (next.done) return;
      const child = addTrial(machinery, job, spec, number, next.value);
      number += 1;
      const childLive = createLive(options.graceMs, live);
      values.set(child.name, []);
      lives.set(child.name, childLive);
      outcomes.push(await runChild(child, childLive));
      noteBest(machinery, job, goal, values);
    }
  };
  try {
    const atOnce = spec.limits?.maxConcurrentTrials ?? spec.limits?.maxTotalTrials ?? DEFAULT_TRIALS;
    await Promise.all(Array.from({ length: Math.min(atOnce, spec.limits?.maxTotalTrials ?? atOnce) }, worker));
  } finally {
    clearTimeout(timer);
    deaf();
  }
  const stopped = live.stopped();
  if (stopped) return stopped;
  if (outcomes.every(({ status }) => status === 'Failed')) return failed(outcomes[0]?.reason ?? 'No trial was run.');
  return { status: 'Completed' };
}

function addTrial(machinery: Machinery, sweep: JobRecord, spec: SweepJob, number: number, values: Record<string, Value>): JobRecord {
  const name = `${sweep.name}_${number}`;
  const limits = spec.limits?.trialTimeout ? { limits: { jobLimitsType: 'Command', timeout: spec.limits.trialTimeout } } : {};
  return addJob(machinery.store, machinery.clock, {
    name,
    jobType: 'Command',
    spec: {
      jobType: 'Command',
      ...(spec.trial as unknown as JsonObject),
      computeId: spec.computeId ?? null,
      experimentName: sweep.experimentName,
      ...(spec.identity ? { identity: spec.identity as unknown as JsonObject } : {}),
      inputs: (spec.inputs ?? {}) as unknown as JsonObject,
      outputs: (spec.outputs ?? {}) as unknown as JsonObject,
      ...limits,
    },
    displayName: name,
    results: { hyperparameters: JSON.stringify(values) },
    experimentName: sweep.experimentName,
    author: sweep.createdBy,
    parent: sweep,
    // Trials must not write over each other: each has its own folder, below the sweep's where that names one.
    outputUris: Object.fromEntries(
      Object.entries(spec.outputs ?? {}).map(([output, { uri }]) => [
        output,
        uri ? `${uri.replace(/\/$/, '')}/${name}/` : defaultOutputUri(machinery, name, output),
      ]),
    ),
  });
}

function noteBest({ journal }: Machinery, sweep: JobRecord, goal: SweepJob['objective']['goal'], values: Map<string, number[]>): void {
  const scored = [...values]
    .filter(([, own]) => own.some((value) => !Number.isNaN(value)))
    .map(([name, own]) => ({ name, score: bestOf(goal, own) }));
  const best = scored.sort((a, b) => (goal === 'Maximize' ? b.score - a.score : a.score - b.score))[0];
  if (!best || sweep.results['best_child_run_id'] === best.name) return;
  journal.result(sweep, 'best_child_run_id', best.name);
  journal.result(sweep, 'score', String(best.score));
}
