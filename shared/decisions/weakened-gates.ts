// Whether a new version of a pipeline lets through what the one before would have stopped.
import type { Gate } from '../contracts/pipeline.ts';
import { gateInWords } from './gates.ts';

/** The gates of before, in words, that no gate of now is at least as strict as. */
export function weakenedGates(before: readonly Gate[], now: readonly Gate[]): string[] {
  return before.filter((old) => !now.some((fresh) => isAtLeastAsStrict(fresh, old))).map(gateInWords);
}

function isAtLeastAsStrict(fresh: Gate, old: Gate): boolean {
  if (fresh.metric !== old.metric) return false;
  if ('atLeast' in old) return 'atLeast' in fresh && fresh.atLeast >= old.atLeast;
  if ('atMost' in old) return 'atMost' in fresh && fresh.atMost <= old.atMost;
  return (
    'notWorseThanChampionBy' in fresh && fresh.direction === old.direction && fresh.notWorseThanChampionBy <= old.notWorseThanChampionBy
  );
}
