// `artifacts/list` of a run: one level, paths from the root. Contents come from the artifact service (facts/azure.md §2).
import type { MlflowRoute } from './context.ts';
import { optional } from './fields.ts';
import { wrong } from './mlflow-error.ts';
import { runOf } from './runs.ts';

export const listArtifacts: MlflowRoute = (call) => {
  const runId = optional(call.fields, 'run_id') ?? optional(call.fields, 'run_uuid') ?? '';
  const run = runOf(call, runId);
  const path = (optional(call.fields, 'path') ?? '').replace(/\/$/, '');
  if (path.split('/').some((part) => part === '..' || part === '.') || path.startsWith('/'))
    throw wrong(`Invalid path: '${path.slice(0, 200)}'`);
  return {
    root_uri: `${call.root}/experiments/${run.experimentId}/runs/${run.runId}/artifacts`,
    files: call.artifacts
      .list('ExperimentRun', `dcid.${run.runId}`, path)
      .map(({ path: file, isDir, size }) => ({ path: file, is_dir: isDir, ...(isDir ? {} : { file_size: size }) })),
  };
};
