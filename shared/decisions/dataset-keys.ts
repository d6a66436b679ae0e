// Keys of refining and training work whose data is not a list of landed files.
import { digestOf } from './digest.ts';

/** The gold step alone over one version of silver. */
export function silverKey(work: { pipeline: string; contractDigest: string; root: string; version: number }): string {
  return digestOf(['refine-gold', work.pipeline, work.contractDigest, work.root, work.version]);
}

/** The same training once more, because a policy says so: the event that asks is what is new. */
export function againKey(trainKey: string, entryId: string): string {
  return digestOf(['again', trainKey, entryId]);
}

/** A window of a source as an instance id: what sleeps for it is found by whoever has the window. */
export function collectorId(pipeline: string, window: string): string {
  return `collect-${pipeline}-${digestOf(['collect', window]).slice(0, 16)}-a1`;
}
