// The lines that a person reads while a file becomes a served model.
import type { LedgerEntry } from '../shared/contracts/events.ts';
import type { RunSummary } from '../shared/contracts/http-api.ts';
import type { Watching } from './follow.ts';
import { type Output, paintState } from './output.ts';
import { contentWords, parityWords } from './result-words.ts';

/** Prints one line per transition, with the seconds since the beginning. */
export function narrator(output: Output): Watching {
  const begun = Date.now();
  const stamp = (): string => output.paint.dim(`${((Date.now() - begun) / 1000).toFixed(1).padStart(6)} s`);
  return {
    verdict: (entry: LedgerEntry) =>
      output.line(`${stamp()}  event     ${paintState(output, entry.verdict.kind)}  ${entry.verdict.reason}`),
    phase: (run: RunSummary) => {
      output.line(`${stamp()}  ${run.story.padEnd(8)}  ${run.phase.padEnd(10)} ${detailOf(output, run)}`);
    },
  };
}

/** What is worth knowing of a run in its present phase. */
export function detailOf(output: Output, run: RunSummary): string {
  if (run.failure) return `${paintState(output, run.status)}  ${run.failure.code}: ${run.failure.message}`;
  if (run.promoted) return `${run.promoted.endpoint} serves ${run.promoted.modelDigest.slice(0, 12)}, ${parityWords(run.promoted.parity)}`;
  if (run.trained) return `model ${run.trained.modelDigest.slice(0, 12)}, ${metricsLine(run.trained.metrics)}`;
  if (run.refined) {
    const { silver, gold, quarantinedRows } = run.refined;
    return `silver v${silver.version} (${contentWords(run.refined, silver.rows)}), gold v${gold.version} (${contentWords(run.refined, gold.rows)})${quarantinedRows ? `, ${quarantinedRows} in quarantine` : ''}`;
  }
  return '';
}

/** The first few metrics, short. */
export function metricsLine(metrics: Readonly<Record<string, number>>): string {
  return Object.entries(metrics)
    .slice(0, 4)
    .map(([name, value]) => `${name} ${Number(Math.abs(value) >= 1 ? value.toFixed(4) : value.toPrecision(4))}`)
    .join(', ');
}
