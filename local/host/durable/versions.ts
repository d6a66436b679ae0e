// Which versions of an orchestration this worker takes (host.json: defaultVersion, versionMatchStrategy, versionFailureStrategy).
// A refused instance stays Pending, or fails where the host is told so (facts/durable.md §2.9, 18).
import type { DurableSettings } from './engine.ts';

/** Why the worker does not take this version; undefined when it does. */
export function versionMismatch(version: string | null, settings: DurableSettings): string | undefined {
  const worker = settings.defaultVersion ?? '';
  const asked = version ?? '';
  switch (settings.versionMatchStrategy ?? 'CurrentOrOlder') {
    case 'None':
      return undefined;
    case 'Strict':
      return asked === worker ? undefined : `The orchestration version '${asked}' does not match the worker version '${worker}'.`;
    case 'CurrentOrOlder':
      return compareVersions(asked, worker) <= 0
        ? undefined
        : `The orchestration version '${asked}' is greater than the worker version '${worker}'.`;
  }
}

/** Numbers compare as numbers ("1.10" is newer than "1.9"), anything else as text; no version is the oldest. */
export function compareVersions(a: string, b: string): number {
  if (a === b) return 0;
  if (a === '') return -1;
  if (b === '') return 1;
  const left = parts(a);
  const right = parts(b);
  if (!left || !right) return a < b ? -1 : 1;
  for (let i = 0; i < Math.max(left.length, right.length); i += 1) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return 0;
}

function parts(version: string): number[] | undefined {
  return /^\d+(\.\d+){0,3}$/.test(version) ? version.split('.').map(Number) : undefined;
}
