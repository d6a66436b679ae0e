// What the Kubernetes stand-in is given: machines, runtime classes, who may call and what they may do.
// Nodes and pods can also be changed while it runs, by the admin routes; nothing of it outlives the process.
import type { JWK } from 'jose';
import type { Clock } from '../kit/clock.ts';

export interface TaintOptions {
  readonly key: string;
  readonly value?: string | undefined;
  readonly effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
}

/** A machine. */
export interface NodeOptions {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Default true. */
  readonly ready?: boolean | undefined;
  /** Why it is not Ready, e.g. `container runtime is down`. */
  readonly reason?: string | undefined;
  readonly cordoned?: boolean | undefined;
  readonly taints?: readonly TaintOptions[] | undefined;
  /** What pods may use of it, as Kubernetes quantities; default 8 CPU and 32Gi. Extended resources stand here too. */
  readonly allocatable?: Readonly<Record<string, string>> | undefined;
}

/** What a user may do. `*` = everything; a subresource is `pods/log`. Without `namespace` the rule holds for the whole cluster. */
export interface RuleOptions {
  readonly user: string;
  readonly verbs: readonly string[];
  readonly resources: readonly string[];
  readonly namespace?: string | undefined;
}

/** How callers are known: opaque tokens, and signed tokens of issuers (an Entra tenant); the cluster's own tokens always. */
export interface AccessOptions {
  readonly tokens?: readonly { readonly token: string; readonly user: string }[] | undefined;
  readonly issuers?:
    | readonly {
        readonly issuer: string;
        readonly audience: string;
        readonly jwks?: { readonly keys: JWK[] } | undefined;
        readonly jwksUri?: string | undefined;
      }[]
    | undefined;
  readonly rules: readonly RuleOptions[];
}

/** The state of a cluster, shared by the API and by what makes pods. */
export interface ClusterOptions {
  readonly nodes?: readonly NodeOptions[] | undefined;
  readonly runtimeClasses?: readonly string[] | undefined;
  readonly serviceAccounts?: readonly { readonly namespace: string; readonly name: string }[] | undefined;
  /** Label of pods that a mutating policy of the cluster turns into their runtimeClassName. */
  readonly runtimeClassLabel?: string | undefined;
  /** Issuer of service-account tokens; default `https://kubernetes.default.svc.cluster.local`. */
  readonly issuer?: string | undefined;
  readonly clock?: Clock | undefined;
}
