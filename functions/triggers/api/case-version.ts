// The version of its pipeline by which a case is worked on: the rules are the present ones, the table is the one that holds its rows.
import type { PipelineVersion } from '../../../shared/contracts/pipeline.ts';
import type { QuarantineCase } from '../../../shared/contracts/quarantine.ts';
import { TransientError } from '../../../shared/errors/errors.ts';
import type { ApiDeps } from './call.ts';

export interface CaseVersion {
  /** The present version, or the one that set the rows aside where the pipeline has another silver table since. */
  version: PipelineVersion;
  /** Silver table of the case, when the pipeline makes it no more: its rows can be read and given up, not merged. */
  formerTable: string | null;
}

export async function versionOfCase({ pipelines }: Pick<ApiDeps, 'pipelines'>, one: QuarantineCase): Promise<CaseVersion> {
  const [current, own] = await Promise.all([pipelines.current(one.pipeline), pipelines.version(one.pipeline, one.contractDigest)]);
  const version = current ?? own;
  if (!version) throw new TransientError('pipeline-gone', `Pipeline ${one.pipeline} of case ${one.caseId} cannot be read now`);
  const table = own?.spec.tables.silver.name;
  if (own === null || table === version.spec.tables.silver.name) return { version, formerTable: null };
  return { version: own, formerTable: table ?? null };
}
