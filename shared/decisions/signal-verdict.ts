// The verdict of an event without a file: a time that came, a caller, a push of training code, a monitor, a backend's hint about a job.
import type { CausalChain, SignalEvent, Verdict } from '../contracts/events.ts';
import type { RunStatus } from '../contracts/runs.ts';
import { clockVerdict, type Guards, heldBack } from './guards.ts';

/** What a signal sets in motion. */
export type SignalEffect =
  | { kind: 'nothing' }
  /** Train on the gold that is there. */
  | { kind: 'train'; pipeline: string }
  /** Start the Data Factory pipeline that brings data in. */
  | { kind: 'extract'; pipeline: string }
  /** Wake whoever waits for this run's job. */
  | { kind: 'hint'; runId: string; jobName: string };

export interface SignalInput {
  event: SignalEvent;
  chain: CausalChain;
  /** The pipeline that the signal is for, when it is registered. */
  pipeline: string | null;
  /** The data pipeline that the registered file names in `schedule.extract`: an event cannot name another. */
  extract: string | null;
  /** The run whose job it speaks of. */
  run: { runId: string; status: RunStatus } | null;
  guardsOf: (pipeline: string) => Guards;
  now: string;
}

/** Name of the pipeline that a signal is for; code may name it beside the repository. */
export function pipelineOfSignal(event: SignalEvent): string | null {
  if (event.kind === 'job') return null;
  const named = event.data['pipeline'];
  return event.kind === 'code' ? (typeof named === 'string' ? named : null) : event.subject;
}

const WORDS: Readonly<Record<Exclude<SignalEvent['kind'], 'job' | 'freshness'>, string>> = {
  schedule: 'A scheduled time came',
  'no-training': 'Nothing was trained for as long as the schedule allows',
  absent: 'No event came for as long as the schedule allows',
  http: 'A caller asked for a training',
  code: 'Training code was pushed',
  monitor: 'A monitor reported a breach',
};

export function decideSignal(input: SignalInput): { verdict: Verdict; pipeline: string | null; effect: SignalEffect } {
  const { event, pipeline } = input;
  const evidence = { source: event.source.slice(0, 300), time: event.time, ...event.data };
  const none = (verdict: Verdict) => ({ verdict, pipeline, effect: { kind: 'nothing' as const } });
  const early = clockVerdict(event.time, input.now);
  if (early) return none(early);
  if (event.kind === 'job') return decideHint(input);
  if (pipeline === null) {
    const named = pipelineOfSignal(event);
    const reason =
      named === null
        ? `The push to ${event.subject} names no pipeline; send it with data.pipeline`
        : `No pipeline "${named.slice(0, 60)}" is registered`;
    return none({ kind: 'ignored', rule: 'no-such-pipeline', reason, evidence: bounded(evidence) });
  }
  if (event.kind === 'freshness') {
    const reason = `No complete dataset of ${pipeline} by ${String(event.data['by'] ?? event.time)}; it is announced, nothing is started`;
    return none({ kind: 'accepted', rule: 'freshness-missed', reason, evidence: bounded(evidence) });
  }
  const held = heldBack(pipeline, input.chain, input.guardsOf(pipeline));
  if (held) return none(held);
  const extract = event.data['extract'];
  if (typeof extract === 'string') {
    if (extract !== input.extract) return none(noExtraction(extract, pipeline, input.extract, bounded(evidence)));
    const reason = `${WORDS[event.kind]}: the Data Factory pipeline ${extract.slice(0, 140)} brings data in`;
    return {
      verdict: { kind: 'accepted', rule: 'extract-due', reason, evidence: bounded(evidence) },
      pipeline,
      effect: { kind: 'extract', pipeline },
    };
  }
  const reason = `${WORDS[event.kind]}: ${pipeline} trains on the gold that is there`;
  return {
    verdict: { kind: 'accepted', rule: 'signal', reason, evidence: bounded(evidence) },
    pipeline,
    effect: { kind: 'train', pipeline },
  };
}

function noExtraction(asked: string, pipeline: string, named: string | null, evidence: Verdict['evidence']): Verdict {
  const names = named === null ? 'names none' : `names "${named}"`;
  const reason = `The event asks for the data pipeline "${asked.slice(0, 140)}"; schedule.extract of ${pipeline} ${names}`;
  return { kind: 'ignored', rule: 'no-extraction', reason, evidence };
}

/** A hint only wakes whoever waits: the truth about the job is read from the backend. */
function decideHint({ event, run }: SignalInput): { verdict: Verdict; pipeline: null; effect: SignalEffect } {
  const evidence = bounded({ job: event.subject, run: run?.runId ?? null, status: run?.status ?? null, ...event.data });
  const none = (verdict: Verdict) => ({ verdict, pipeline: null, effect: { kind: 'nothing' as const } });
  if (!run) {
    const reason = `No run of Sluice has the job ${event.subject.slice(0, 200)}`;
    return none({ kind: 'ignored', rule: 'job-unknown', reason, evidence });
  }
  if (run.status !== 'running') {
    return none({
      kind: 'ignored',
      rule: 'job-over',
      reason: `${run.runId} has ended (${run.status}); nobody waits for its job`,
      evidence,
    });
  }
  const reason = `${run.runId} waits for this job; it looks at it now`;
  return {
    verdict: { kind: 'accepted', rule: 'job-hint', reason, evidence },
    pipeline: null,
    effect: { kind: 'hint', runId: run.runId, jobName: event.subject },
  };
}

/** Evidence takes 1200 characters a value; what came from outside may be longer. */
function bounded(evidence: Record<string, string | number | boolean | null>): Verdict['evidence'] {
  const entries = Object.entries(evidence).map(([key, value]) => [
    key.slice(0, 64),
    typeof value === 'string' ? value.slice(0, 1200) : value,
  ]);
  return Object.fromEntries(entries.slice(0, 40)) as Verdict['evidence'];
}
