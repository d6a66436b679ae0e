// Once a day the tables of every pipeline are rid of files and log entries that no version within their retention needs. Bounded: a tick
// begins no other pipeline after so long, and the next tick goes on where it stopped.
import type { InvocationContext } from '@azure/functions';
import type { VacuumedTable } from '../../../shared/contracts/erasure.ts';
import type { Retained } from '../../../shared/contracts/http-api.ts';
import type { Run } from '../../../shared/contracts/runs.ts';
import type { Retaining } from '../../../shared/contracts/vitals.ts';
import { RejectedError, TransientError } from '../../../shared/errors/errors.ts';
import type { ErasureEngine } from '../../../shared/ports/lake.ts';
import type { PipelineRegistry, RunStore } from '../../../shared/ports/stores.ts';
import type { VitalsStore } from '../../../shared/ports/vitals.ts';

export interface RetentionDeps {
  pipelines: Pick<PipelineRegistry, 'list' | 'current'>;
  runs: Pick<RunStore, 'list'>;
  erasure: Pick<ErasureEngine, 'vacuum'>;
  vitals: Pick<VitalsStore, 'retaining' | 'setRetaining'>;
  now: () => Date;
}

export interface RetentionLimits {
  /** No pipeline is begun after so many milliseconds. */
  ms: number;
  pipelines: number;
}

/** For the timer, which comes every hour. */
const TICK: RetentionLimits = { ms: 120_000, pipelines: 50 };
/** For a request, which an answer is waited for. */
export const ASKED: RetentionLimits = { ms: 60_000, pipelines: 50 };
/** A pass begins a day after the one before it began; ticks are not to the second. */
const DAY_MS = 86_400_000 - 600_000;
const RUNS_PER_PAGE = 200;
const MAX_FAILED = 100;

type Log = Pick<InvocationContext, 'info' | 'warn'>;
type Pass = NonNullable<Retaining['pass']>;

/** One tick of the timer; null: it was not the time. */
export function retentionTimer(deps: RetentionDeps) {
  return async (log: Log, limits = TICK): Promise<Retained | null> => {
    const began = deps.now();
    const known = (await deps.vitals.retaining()) ?? { pass: null, last: null };
    if (!known.pass && known.last && began.getTime() - Date.parse(known.last.startedAt) < DAY_MS) return null;
    const fresh: Pass = { startedAt: began.toISOString(), tables: 0, files: 0, bytes: 0, failed: [], after: null };
    let pass = known.pass ?? fresh;
    const names = (await namesOf(deps)).filter((name) => pass.after === null || name > pass.after);
    const done = await removeFrom(deps, names, { limits, dryRun: false, log }, async (pipeline, tables) => {
      pass = {
        ...pass,
        ...sums(pass, tables),
        failed: tables ? pass.failed : [...pass.failed, pipeline].slice(0, MAX_FAILED),
        after: pipeline,
      };
      await deps.vitals.setRetaining({ ...known, pass });
    });
    if (done.complete) {
      const { after: _after, ...last } = pass;
      await deps.vitals.setRetaining({ pass: null, last: { ...last, finishedAt: deps.now().toISOString() } });
      log.info(`retention: ${last.files} files with ${last.bytes} bytes were removed from ${last.tables} tables`);
    }
    return done;
  };
}

/** What a person asks for: one pipeline, or all from the beginning. The timer's bookmark is left alone. */
export function retentionNow(deps: Omit<RetentionDeps, 'vitals'>) {
  return async ({ pipeline, dryRun }: { pipeline?: string | undefined; dryRun: boolean }, log: Log, limits = ASKED): Promise<Retained> => {
    const names = pipeline === undefined ? await namesOf(deps) : [pipeline];
    return removeFrom(deps, names, { limits, dryRun, log }, async () => undefined);
  };
}

async function namesOf({ pipelines }: Pick<RetentionDeps, 'pipelines'>): Promise<string[]> {
  return (await pipelines.list()).map(({ name }) => name).sort();
}

/** `noted` is told of each pipeline; null: it failed. A pipeline that cannot be looked through does not keep the others waiting. */
async function removeFrom(
  deps: Omit<RetentionDeps, 'vitals'>,
  names: readonly string[],
  { limits, dryRun, log }: { limits: RetentionLimits; dryRun: boolean; log: Log },
  noted: (pipeline: string, tables: readonly VacuumedTable[] | null) => Promise<void>,
): Promise<Retained> {
  const began = deps.now().getTime();
  const done: Retained = { complete: false, dryRun, tables: [], failed: [] };
  for (const [n, pipeline] of names.entries()) {
    if (n >= limits.pipelines || deps.now().getTime() - began >= limits.ms) return done;
    try {
      const tables = await vacuumOf(deps, pipeline, dryRun);
      done.tables.push(...tables.map((table) => ({ ...table, pipeline })));
      await noted(pipeline, tables);
    } catch (error) {
      if (!(error instanceof RejectedError || error instanceof TransientError)) throw error;
      log.warn(`retention of ${pipeline}: ${error.code}: ${error.message}`);
      done.failed.push({ pipeline, code: error.code, message: error.message.slice(0, 1000) });
      await noted(pipeline, null);
    }
  }
  return { ...done, complete: true };
}

async function vacuumOf(
  { pipelines, runs, erasure }: Omit<RetentionDeps, 'vitals'>,
  name: string,
  dryRun: boolean,
): Promise<VacuumedTable[]> {
  const version = await pipelines.current(name);
  // It was dropped a moment ago, or keeps nothing here.
  if (!version) return [];
  return erasure.vacuum({ pipeline: version, keepGold: await goldInUse(runs, name), dryRun });
}

/** Versions of gold that a running training or search has still to copy. */
async function goldInUse(runs: Pick<RunStore, 'list'>, pipeline: string): Promise<number[]> {
  const found: number[] = [];
  let after: string | undefined;
  do {
    const page = await runs.list({ pipeline, status: 'running' }, RUNS_PER_PAGE, after);
    found.push(...page.items.flatMap(goldOf));
    after = page.next ?? undefined;
  } while (after !== undefined);
  return [...new Set(found)];
}

function goldOf({ input }: Run): number[] {
  const { gold } = input as { gold?: { version?: unknown } };
  return typeof gold?.version === 'number' ? [gold.version] : [];
}

function sums(pass: Pass, tables: readonly VacuumedTable[] | null): Pick<Pass, 'tables' | 'files' | 'bytes'> {
  const all = tables ?? [];
  return {
    tables: pass.tables + all.length,
    files: pass.files + all.reduce((sum, { files, logFiles }) => sum + files + logFiles, 0),
    bytes: pass.bytes + all.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
