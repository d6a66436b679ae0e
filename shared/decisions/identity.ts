// Identity of work: the same key is the same run, instance and external job, whoever asks and however often.
import { runIdParts } from '../contracts/identifiers.ts';
import { digestOf, sha256Hex } from './digest.ts';

type StoryName = 'land' | 'adopt' | 'retrain' | 'collect' | 'refine' | 'train' | 'sweep' | 'promote' | 'extract';

/** Ledger key of an event: the same (source, id) is the same entry. `e-` and 32 hex characters. */
export function entryId(source: string, id: string): string {
  return `e-${digestOf([source, id]).slice(0, 32)}`;
}

/** One version of one blob on its way in. The eTag stands for the content until the content has been read. */
export function landKey(place: { account: string; container: string; path: string; eTag: string }): string {
  return digestOf(['land', place.account, place.container, place.path, place.eTag]);
}

/** A dataset is its files by path and content, under one contract. */
export function refineKey(dataset: {
  pipeline: string;
  contractDigest: string;
  files: readonly { path: string; sha256: string }[];
}): string {
  const files = dataset.files.map((file) => [file.path, file.sha256].join('\0')).sort();
  return digestOf(['refine', dataset.pipeline, dataset.contractDigest, files]);
}

/** The same gold data under the same training specification can never train twice. */
export function trainKey(work: { pipeline: string; goldDigest: string; specDigest: string }): string {
  return digestOf(['train', work.pipeline, work.goldDigest, work.specDigest]);
}

/** Request 0 is asked for by the run itself; a person's requests count from 1. */
export function promoteKey(work: { modelDigest: string; environment: string; request: number }): string {
  return digestOf(['promote', work.modelDigest, work.environment, work.request]);
}

/** `<story>-<pipeline>-<16 hex of key>-a<attempt>`: Durable's instance id, our run id and the external job's name. */
export function instanceId(story: StoryName, pipeline: string, key: string, attempt: number): string {
  return `${story}-${pipeline}-${key.slice(0, 16)}-a${attempt}`;
}

/** A signal that asks for data is one extraction, however often it is raised. */
export function extractKey(work: { pipeline: string; source: string; id: string }): string {
  return digestOf(['extract', work.pipeline, work.source, work.id]);
}

/** The same search over the same gold under the same specification is one search. */
export function sweepKey(work: { pipeline: string; goldDigest: string; specDigest: string; search: unknown }): string {
  return digestOf(['sweep', work.pipeline, work.goldDigest, work.specDigest, work.search]);
}

/** External name of one trial's job. */
export function trialJobName(sweepRunId: string, trial: number): string {
  return `${sweepRunId}-t${trial}`;
}

/** The instance that waits for a job, by the job's name: the training job bears its run's id, the others have one of their own. */
export function waiterOf(jobName: string): string {
  return runIdParts(jobName) === null ? jobName : `${jobName}-train`;
}

/** Digest of a landing place, the partition of its ledger rows. */
export function placeKey(place: { account: string; container: string; path: string }): string {
  return sha256Hex(`${place.account}/${place.container}/${place.path}`);
}
