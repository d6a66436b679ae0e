// Two trainings side by side: what was set, what came out, on which data.
import type { Comparison } from '../contracts/http/training.ts';
import type { Plot, RunReport } from '../contracts/run-report.ts';
import type { Run } from '../contracts/runs.ts';
import { canonicalJson } from './digest.ts';

/** One training with the reports that it and its steps left, if any, and how many rows its gold version had, if that is known. */
export interface ComparedRun {
  run: Pick<Run, 'runId' | 'pipeline' | 'status' | 'trained' | 'choice' | 'jobs' | 'input'>;
  report: RunReport | null;
  /** `asked`: what the pipeline and the person who started the run set. */
  steps: readonly { step: string; asked: Readonly<Record<string, unknown>>; report: RunReport | null }[];
  goldRows: number | null;
}

/** Points of a curve that a picture needs. */
const MAX_POINTS = 400;

export function compareRuns(a: ComparedRun, b: ComparedRun): Comparison {
  // What components tell includes what nobody set, so a run that ended half-way is compared by what was asked of both.
  const [left, right] = [a, b].map(hasReport).every(Boolean) ? [paramsOf(a), paramsOf(b)] : [askedOf(a), askedOf(b)];
  const params = union(left, right).map((name) => ({ name, a: own(left, name), b: own(right, name) }));
  const different = params.filter((one) => canonicalJson(one.a) !== canonicalJson(one.b));
  return {
    a: sideOf(a),
    b: sideOf(b),
    params: different.map(({ name, ...values }) => ({ name, a: values.a ?? null, b: values.b ?? null })),
    equalParams: params.length - different.length,
    metrics: metricsOf(a.report?.metrics ?? a.run.trained?.metrics, b.report?.metrics ?? b.run.trained?.metrics),
    slices: slicesOf(a.report, b.report),
    data: dataOf(a, b),
    curves: curvesOf(a.report, b.report),
  };
}

/** Of a graph, what every step was given, as `step.name`: the report of the whole training is that of its last step. */
function paramsOf({ report, steps }: ComparedRun): Readonly<Record<string, unknown>> {
  if (steps.length < 2 || steps.every((one) => one.report === null)) return report?.params ?? {};
  return Object.fromEntries(
    steps.flatMap(({ step, report: said }) => Object.entries(said?.params ?? {}).map(([name, value]) => [`${step}.${name}`, value])),
  );
}

function hasReport({ report, steps }: ComparedRun): boolean {
  return steps.length < 2 ? report !== null : steps.every((one) => one.report !== null);
}

/** Like `paramsOf`, of what was asked. */
function askedOf({ steps }: ComparedRun): Readonly<Record<string, unknown>> {
  const named = (step: string, name: string): string => (steps.length < 2 ? name : `${step}.${name}`);
  return Object.fromEntries(steps.flatMap(({ step, asked }) => Object.entries(asked).map(([name, value]) => [named(step, name), value])));
}

function sideOf({ run }: ComparedRun): Comparison['a'] {
  const backend = run.choice?.chosen ?? run.jobs.find(({ stage }) => stage === 'train')?.backend ?? null;
  const { runId, status, trained } = run;
  return { runId, status, backend, modelDigest: trained?.modelDigest ?? null, specDigest: trained?.specDigest ?? null };
}

type Metrics = Readonly<Record<string, number>>;

function metricsOf(a: Metrics = {}, b: Metrics = {}): Comparison['metrics'] {
  return union(a, b).map((name) => {
    const [left, right] = [own(a, name) ?? null, own(b, name) ?? null];
    return { name, a: left, b: right, difference: left === null || right === null ? null : right - left };
  });
}

function slicesOf(a: RunReport | null, b: RunReport | null): Comparison['slices'] {
  const named = (report: RunReport | null) => new Map((report?.slices ?? []).map((slice) => [slice.name, slice]));
  const [left, right] = [named(a), named(b)];
  return [...new Set([...left.keys(), ...right.keys()])].map((name) => {
    const [one, other] = [left.get(name), right.get(name)];
    return { name, rows: { a: one?.n ?? null, b: other?.n ?? null }, metrics: metricsOf(one?.metrics, other?.metrics) };
  });
}

function dataOf(a: ComparedRun, b: ComparedRun): Comparison['data'] {
  const [left, right] = [goldOf(a), goldOf(b)];
  if (!left || !right) return { same: false, a: left, b: right, words: 'the gold version of one of them is not known' };
  if (left.digest === right.digest) return { same: true, a: left, b: right, words: sameWords(left, left.rows ?? right.rows) };
  const rows = left.rows === null || right.rows === null ? '' : `: ${left.rows} and ${right.rows} rows`;
  const words =
    a.run.pipeline !== b.run.pipeline
      ? `${a.run.pipeline}/${left.table} v${left.version} and ${b.run.pipeline}/${right.table} v${right.version}`
      : left.table === right.table
        ? `versions ${left.version} and ${right.version} of ${left.table}`
        : `${left.table} and ${right.table}`;
  return { same: false, a: left, b: right, words: `${words}${rows}` };
}

function sameWords({ table, version }: { table: string; version: number }, rows: number | null): string {
  return `both trained on version ${version} of ${table}${rows === null ? '' : `, ${rows} rows`}`;
}

function goldOf({ run, goldRows }: ComparedRun): Comparison['data']['a'] {
  if (run.trained) {
    const { goldTable: table, goldVersion: version, goldDigest: digest } = run.trained;
    return { table, version, digest, rows: goldRows };
  }
  const gold = run.input['gold'];
  if (typeof gold !== 'object' || gold === null) return null;
  const { table, version, digest } = gold as Record<string, unknown>;
  if (typeof table !== 'string' || typeof version !== 'number' || typeof digest !== 'string') return null;
  return { table, version, digest, rows: goldRows };
}

/** Plots that are curves to lay over each other: ROC, precision and recall. */
function curvesOf(a: RunReport | null, b: RunReport | null): Comparison['curves'] {
  const curves = (report: RunReport | null) =>
    new Map(
      (report?.plots ?? []).filter(({ name, kind }) => /roc|precision|recall/i.test(`${name} ${kind}`)).map((plot) => [plot.name, plot]),
    );
  const [left, right] = [curves(a), curves(b)];
  return [...new Set([...left.keys(), ...right.keys()])].map((name) => {
    const [one, other] = [left.get(name), right.get(name)];
    return { name, kind: one?.kind ?? other?.kind ?? '', a: one ? pointsOf(one) : null, b: other ? pointsOf(other) : null };
  });
}

/** Pairs of finite numbers, thinned evenly; first and last stay. */
function pointsOf(plot: Plot): number[][] {
  const points = (Array.isArray(plot['points']) ? (plot['points'] as unknown[]) : []).flatMap((point) => {
    const pair: unknown[] = Array.isArray(point) ? point.slice(0, 2) : [];
    return pair.length === 2 && pair.every((value) => typeof value === 'number' && Number.isFinite(value)) ? [pair as number[]] : [];
  });
  if (points.length <= MAX_POINTS) return points;
  const step = (points.length - 1) / (MAX_POINTS - 1);
  return Array.from({ length: MAX_POINTS }, (_, index) => points[Math.round(index * step)] ?? []);
}

function union(a: Readonly<Record<string, unknown>> = {}, b: Readonly<Record<string, unknown>> = {}): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
}

function own<Value>(from: Readonly<Record<string, Value>> | undefined, name: string): Value | undefined {
  return from !== undefined && Object.hasOwn(from, name) ? from[name] : undefined;
}
