// Events as lines: what came, when, how, and what was decided.
import { type LedgerEntry, subjectOf } from '../shared/contracts/events.ts';
import type { Holds } from '../shared/contracts/http-api.ts';
import type { Output } from './output.ts';
import { short } from './times.ts';

/** The path of a file, or kind and subject of an event without one. */
export function whatOf(entry: LedgerEntry): string {
  if (entry.event) return subjectOf(entry.event);
  const { type } = entry.verdict.evidence;
  return typeof type === 'string' ? `event of type ${type.slice(0, 60)}` : `message ${entry.rawSha256?.slice(0, 12) ?? '(not an event)'}`;
}

/** How it came, and how often; empty for the usual way. */
export function cameBy({ foundBy, deliveries }: Pick<LedgerEntry, 'foundBy' | 'deliveries'>): string {
  const ways: Record<LedgerEntry['foundBy'], string> = {
    queue: '',
    timer: 'timer',
    http: 'caller',
    reconciler: 'found by the reconciler',
    'dead-letter': 'found in the dead letters',
    poison: 'taken from the poison queue',
    replay: 'judged again',
  };
  return [ways[foundBy], deliveries > 1 ? `delivered ${deliveries} times` : ''].filter((part) => part !== '').join(', ');
}

/** What keeps events from starting anything; nothing is printed when nothing does. */
export function printHolds(output: Output, holds: Holds): void {
  for (const freeze of holds.freezes) {
    const until = freeze.until === null ? 'until somebody ends it' : `until ${short(freeze.until)}`;
    held(output, freeze.kind, `${freeze.pipeline ?? 'all pipelines'}, by ${freeze.by} ${until}: ${freeze.reason}`);
  }
  for (const { pipeline, opened } of holds.breakers) {
    output.field(
      output.paint.yellow('breaker open'),
      `${pipeline}${opened === null ? '' : `, since ${short(opened.at)}: ${opened.reason}`}`,
    );
  }
}

/** As a field, with a name that is seen. */
function held(output: Output, name: string, text: string): void {
  output.line(`  ${output.paint.yellow(name.padEnd(14))} ${text}`);
}
