// Every leaf of a recording, and the recording with that leaf changed: to prove that the comparison sees each change.
import { ignoredFields } from './normalise.ts';
import type { Recording } from './recordings.ts';

export type Path = readonly (string | number)[];

/** Stands in a path for "the JSON inside this text". */
const inside = '(json)';

/** Paths of all leaves: texts, numbers, truth values, nulls, empty lists and objects; and the leaves of JSON inside texts. */
export function leaves(value: unknown, path: Path = []): Path[] {
  if (typeof value === 'string' && value.startsWith('{"')) return [path, ...leaves(JSON.parse(value), [...path, inside])];
  if (typeof value !== 'object' || value === null) return [path];
  const entries = Array.isArray(value) ? value.map((item, index) => [index, item] as const) : Object.entries(value);
  return entries.length === 0 ? [path] : entries.flatMap(([key, item]) => leaves(item, [...path, key]));
}

/** The recording with one leaf changed; the original stays as it is. */
export function changed(recording: Recording, path: Path): Recording {
  return change(structuredClone(recording), path) as Recording;
}

function change(value: unknown, path: Path): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return other(value);
  if (key === inside) return JSON.stringify(change(JSON.parse(value as string), rest));
  const owner = value as Record<string | number, unknown>;
  owner[key] = key === 'orchestrator' ? otherSource(owner[key] as string) : change(owner[key], rest);
  return owner;
}

/** Texts are changed at their beginning, because the end of some is a stack frame. */
function other(value: unknown): unknown {
  if (typeof value === 'string') return `~${value}`;
  if (typeof value === 'number') return value + 17;
  if (typeof value === 'boolean') return !value;
  return '~';
}

/** Another program, not another spelling of the same. */
const otherSource = (source: string): string => source.replace(/c\.df|throw/, 'c.another');

/** Leaves that the closed list takes out of the comparison. */
export const isIgnored = (path: Path): boolean => path.some((key) => typeof key === 'string' && ignoredFields.has(key));

/** Leaves that the run itself is fed with: what the client started and raised. */
export function feedsTheRun(recording: Recording, path: Path): boolean {
  const [, step, , , index, field] = path;
  if (path[0] === 'orchestrator') return true;
  if (path[0] !== 'steps' || (field !== 'Name' && field !== 'Input')) return false;
  const event = recording.steps[Number(step)]?.triggerInput.history[Number(index)];
  return event?.EventType === 0 || event?.EventType === 15;
}
