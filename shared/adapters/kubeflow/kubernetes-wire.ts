// The parts of Kubernetes objects that the adapter reads; everything else is ignored. Times are RFC 3339 with whole seconds.
import * as z from 'zod';

const text = z.string().nullish();
const labels = z.record(z.string(), z.string()).nullish();
const condition = z.object({ type: z.string(), status: z.string(), reason: text, message: text });

const containerState = z.object({
  waiting: z.object({ reason: text, message: text }).nullish(),
  running: z.object({ startedAt: text }).nullish(),
  terminated: z.object({ reason: text, message: text, exitCode: z.number().nullish(), startedAt: text, finishedAt: text }).nullish(),
});

export const Pod = z.object({
  metadata: z.object({ name: z.string(), labels, annotations: labels, creationTimestamp: text }),
  spec: z.object({
    nodeName: text,
    nodeSelector: labels,
    runtimeClassName: text,
    containers: z
      .array(
        z.object({
          name: z.string(),
          resources: z.object({ limits: z.record(z.string(), z.union([z.string(), z.number()])).nullish() }).nullish(),
        }),
      )
      .nullish(),
  }),
  status: z
    .object({
      phase: text,
      reason: text,
      message: text,
      conditions: z.array(condition).nullish(),
      containerStatuses: z.array(z.object({ name: z.string(), state: containerState.nullish() })).nullish(),
    })
    .nullish(),
});
export type Pod = z.infer<typeof Pod>;

const Taint = z.object({ key: z.string(), value: text, effect: z.string() });
export type Taint = z.infer<typeof Taint>;

export const Node = z.object({
  metadata: z.object({ name: z.string(), labels }),
  spec: z.object({ unschedulable: z.boolean().nullish(), taints: z.array(Taint).nullish() }).nullish(),
  status: z
    .object({ conditions: z.array(condition).nullish(), allocatable: z.record(z.string(), z.union([z.string(), z.number()])).nullish() })
    .nullish(),
});
export type Node = z.infer<typeof Node>;

export const RuntimeClass = z.object({
  handler: text,
  scheduling: z
    .object({ nodeSelector: labels, tolerations: z.array(z.object({ key: text, operator: text, value: text, effect: text })).nullish() })
    .nullish(),
});
export type RuntimeClass = z.infer<typeof RuntimeClass>;

export const Event = z.object({ type: text, reason: text, message: text, lastTimestamp: text });

const TokenSource = z.object({ serviceAccountToken: z.object({ audience: text }).nullish() });
export const PodDefault = z.object({
  spec: z.object({ volumes: z.array(z.object({ projected: z.object({ sources: z.array(TokenSource).nullish() }).nullish() })).nullish() }),
});
