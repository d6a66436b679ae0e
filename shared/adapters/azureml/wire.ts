// The parts of Azure ML's and MLflow's answers that the adapter reads. Unknown fields are ignored, absent ones tolerated.
import * as z from 'zod';

const text = z.string().nullish();
const texts = z.record(z.string(), z.string().nullable()).nullish();

export const WorkspaceBody = z.object({
  name: text,
  location: text,
  properties: z.object({ mlFlowTrackingUri: text, publicNetworkAccess: text, provisioningState: text }).nullish(),
});
export type WorkspaceBody = z.infer<typeof WorkspaceBody>;

const fault = z.object({ code: text, message: text }).nullish();

export const JobBody = z.object({
  name: z.string().min(1),
  properties: z.object({
    jobType: text,
    displayName: text,
    status: text,
    tags: texts,
    properties: texts,
    // Not part of the stable API, but some versions send it; used for words only.
    error: z.unknown().optional(),
  }),
  systemData: z.object({ createdAt: text }).nullish(),
});
export type JobBody = z.infer<typeof JobBody>;

export const ComputeBody = z.object({
  properties: z.object({
    computeType: text,
    provisioningState: text,
    disableLocalAuth: z.boolean().nullish(),
    provisioningErrors: z.array(z.object({ error: fault }).nullish()).nullish(),
    properties: z
      .object({ vmSize: text, scaleSettings: z.object({ maxNodeCount: z.number().nullish() }).nullish(), allocationState: text })
      .nullish(),
  }),
});

export const AssetBody = z.object({
  id: text,
  name: text,
  properties: z.looseObject({ tags: texts, properties: texts, image: text, dataUri: text, modelUri: text }),
});

/** Metric values may be the texts NaN and Infinity (facts/mlflow.md §2). */
const Metric = z.object({ key: z.string(), value: z.union([z.number(), z.string()]).nullish() });
const Pair = z.object({ key: z.string(), value: z.string().nullish() });
const instant = z.union([z.number(), z.string()]).nullish();

export const MlflowRun = z.object({
  info: z.object({
    run_id: z.string(),
    run_name: text,
    experiment_id: z.union([z.string(), z.number()]).nullish(),
    status: text,
    start_time: instant,
    end_time: instant,
  }),
  data: z.object({ metrics: z.array(Metric).nullish(), params: z.array(Pair).nullish(), tags: z.array(Pair).nullish() }).nullish(),
});
export type MlflowRun = z.infer<typeof MlflowRun>;

export const RunAnswer = z.object({ run: MlflowRun });
export const RunsAnswer = z.object({ runs: z.array(MlflowRun).nullish(), next_page_token: text });
export const ExperimentAnswer = z.object({ experiment: z.object({ experiment_id: z.string() }) });
export const ExperimentMade = z.object({ experiment_id: z.string() });
export const FilesAnswer = z.object({
  files: z
    .array(z.object({ path: z.string(), is_dir: z.boolean().nullish(), file_size: z.union([z.number(), z.string()]).nullish() }))
    .nullish(),
});
export const ContentInfo = z.object({ contentUri: text });
