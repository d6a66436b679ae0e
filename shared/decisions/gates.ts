// Gates judge a candidate by the numbers of its run report. Fail closed: a metric that is not there is never a pass.
import type { Gate } from '../contracts/pipeline.ts';
import type { GateResult } from '../contracts/runs.ts';

type Metrics = Readonly<Record<string, number>>;

/** The worst of the results: fail > inconclusive > pass. No results at all is inconclusive. */
export function judge(
  gates: readonly Gate[],
  metrics: Metrics,
  champion: Metrics | null,
): { result: GateResult['result']; gates: GateResult[] } {
  const results = gates.map((gate) => judgeOne(gate, metrics, champion));
  const worst = (['fail', 'inconclusive'] as const).find((result) => results.some((one) => one.result === result));
  return { result: worst ?? (results.length === 0 ? 'inconclusive' : 'pass'), gates: results };
}

function judgeOne(gate: Gate, metrics: Metrics, champion: Metrics | null): GateResult {
  const words = gateInWords(gate);
  const value = Object.hasOwn(metrics, gate.metric) ? metrics[gate.metric] : undefined;
  if (value === undefined || !Number.isFinite(value)) {
    return { gate: words, result: 'inconclusive', reason: `the run report has no finite metric "${gate.metric}"` };
  }
  if ('atLeast' in gate) return bound(words, value >= gate.atLeast, `${gate.metric} is ${shown(value)}`);
  if ('atMost' in gate) return bound(words, value <= gate.atMost, `${gate.metric} is ${shown(value)}`);
  if (!champion) return { gate: words, result: 'pass', reason: 'nothing is served yet, so there is no champion to compare with' };
  const before = Object.hasOwn(champion, gate.metric) ? champion[gate.metric] : undefined;
  if (before === undefined || !Number.isFinite(before)) {
    return { gate: words, result: 'inconclusive', reason: `the champion's record has no finite metric "${gate.metric}"` };
  }
  const loss = gate.direction === 'higher-is-better' ? before - value : value - before;
  return bound(words, loss <= gate.notWorseThanChampionBy, `${gate.metric} is ${shown(value)}, the champion's was ${shown(before)}`);
}

/** A gate as a person would say it. */
export function gateInWords(gate: Gate): string {
  if ('atLeast' in gate) return `${gate.metric} >= ${gate.atLeast}`;
  if ('atMost' in gate) return `${gate.metric} <= ${gate.atMost}`;
  return `${gate.metric} not worse than the champion by more than ${gate.notWorseThanChampionBy}`;
}

function bound(gate: string, pass: boolean, reason: string): GateResult {
  return { gate, result: pass ? 'pass' : 'fail', reason };
}

function shown(value: number): string {
  return String(Number(value.toPrecision(6)));
}
