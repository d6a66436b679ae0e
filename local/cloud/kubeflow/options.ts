// What the Kubeflow stand-in is given: where it keeps things, which programs stand for which images, and who may call.
// Nothing of it can be changed over HTTP.
import type { JWK } from 'jose';
import type { Clock } from '../kit/clock.ts';
import type { Cluster } from '../kubernetes/cluster.ts';

/** What runs on this machine in place of a container image. */
export interface ImageMapping {
  /** Put before the step's command and arguments; where the step has no command, it stands for the image's entry point. */
  readonly command?: readonly string[];
  /** Replaces the first word of the step's command, e.g. `{ "python": "/opt/venv/bin/python" }`. */
  readonly programs?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Environment that the image would bring; the step's own variables win. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Who may call: nobody is asked (single-user mode), or every call needs a token and a grant (multi-user mode). */
export type AuthOptions =
  | { readonly mode: 'none' }
  | {
      readonly mode: 'multi-user';
      /** Audience that a token must name; default `pipelines.kubeflow.org`. */
      readonly audience?: string;
      /** Issuers whose signed tokens are taken (the cluster's); keys inline or by address. */
      readonly issuers?: readonly { readonly issuer: string; readonly jwks?: { readonly keys: JWK[] }; readonly jwksUri?: string }[];
      /** Opaque tokens, as a TokenReview would know them. */
      readonly tokens?: readonly { readonly token: string; readonly user: string; readonly audiences: readonly string[] }[];
      /** Role bindings: which users may act in which namespace; `verbs` default all. */
      readonly grants: readonly { readonly user: string; readonly namespace: string; readonly verbs?: readonly string[] }[];
    };

/** The stand-in. */
export interface KubeflowOptions {
  readonly dataDir: string;
  /** By image name without digest; a key that ends in `/` or `*` is a prefix. The longest match wins. */
  readonly images: Readonly<Record<string, ImageMapping>>;
  readonly auth?: AuthOptions;
  /** How long a run stays PENDING before its first step, milliseconds (default 0). */
  readonly pendingMs?: number;
  /** Where artifacts are said to be; default `minio://mlpipeline/v2/artifacts`. */
  readonly pipelineRoot?: string;
  readonly clock?: Clock;
  /** How long a step may take to end after SIGTERM, milliseconds (default 5000). */
  readonly graceMs?: number;
  /** Where the pods of tasks are; without it a task has none and starts at once. */
  readonly cluster?: Cluster;
  /** Volume claims by name → the folder that stands for the volume. */
  readonly volumes?: Readonly<Record<string, string>>;
  /** Environment of every step, put before its own: a proxy at the border of a site. */
  readonly stepEnv?: Readonly<Record<string, string>>;
}

export const DEFAULT_ROOT = 'minio://mlpipeline/v2/artifacts';
