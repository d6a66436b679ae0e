// Which backend trains: the first in the pipeline's list that keeps the data where it must stay, is configured, and has the machines.
import type { BackendName, Train } from '../contracts/pipeline/train.ts';
import type { BackendChoice } from '../contracts/runs.ts';

/** Regions and sites that a backend keeps data in, by its settings. */
export type Residency = Readonly<Partial<Record<BackendName, readonly string[]>>>;

/** One backend of the list with what keeps it from training; null when nothing does. */
export interface BackendCheck {
  backend: BackendName;
  missing: string | null;
}

/** What the data's place says about a backend, before anybody asks it; null when it may train. */
export function residencyProblem(train: Pick<Train, 'choose' | 'residency'>, backend: BackendName, residency: Residency): string | null {
  if (train.choose !== 'residency' || train.residency === undefined) return null;
  const places = residency[backend] ?? [];
  if (places.includes(train.residency)) return null;
  const where = places.length === 0 ? 'its settings name no place' : `it keeps data in ${places.join(', ')}`;
  return `the data must stay in "${train.residency}", and ${where}`;
}

export type Choice = { kind: 'chosen'; choice: BackendChoice } | { kind: 'none'; reason: string };

/** The first backend that lacks nothing; none names what each one lacks. */
export function chooseBackend(checks: readonly BackendCheck[]): Choice {
  const passedOver: BackendChoice['passedOver'] = [];
  for (const { backend, missing } of checks) {
    if (missing === null) return { kind: 'chosen', choice: { chosen: backend, passedOver } };
    passedOver.push({ backend, missing: missing.slice(0, 1000) });
  }
  const reasons = passedOver.map(({ backend, missing }) => `${backend}: ${missing}`).join('; ');
  return { kind: 'none', reason: `No backend of this pipeline can train now. ${reasons}` };
}
