// What the Azure ML stand-in is given: workspaces with their computes and datastores, registries, images, identities, limits, delays.
// Nothing of it can be changed over HTTP, except what `/_admin/…` says.
import type { Clock } from '../kit/clock.ts';
import type { RunEvent } from './events.ts';
import type { WorkspaceOptions } from './workspace.ts';

/** What runs on this machine in place of a container image. */
export interface ImageMapping {
  /** Put before the shell that runs the job's command, e.g. `["nice"]`. */
  readonly command?: readonly string[];
  /** Programs of the image, put first on the path: `{ "python": "/opt/venv/bin/python" }`. */
  readonly programs?: Readonly<Record<string, string>>;
  /** Working folder where the job brings no code; default a folder of its own. */
  readonly cwd?: string;
  /** Environment that the image would bring; the job's own variables win. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A machine to run on. */
export interface ComputeOptions {
  readonly name: string;
  readonly type: 'AmlCompute' | 'Kubernetes';
  /** Size of a node of an AmlCompute; default `Standard_DS3_v2`. */
  readonly vmSize?: string;
  /** Jobs that run at once; the others wait as Queued. Default: as many as come. */
  readonly maxNodes?: number;
  /** Default `Succeeded`. */
  readonly provisioningState?: 'Succeeded' | 'Failed' | 'Creating' | 'Updating' | 'Deleting' | 'Canceled' | 'Unknown';
  /** Kubernetes: namespace, and names of its instance types (default `defaultinstancetype`). */
  readonly namespace?: string;
  readonly instanceTypes?: readonly string[];
}

/** A container that a datastore stands for: by connection string, or by the container's URL with a signature. */
export interface StoreOptions {
  readonly connectionString?: string;
  /** Name of the container; needed with `connectionString`. */
  readonly container: string;
  readonly containerUrl?: string;
}

/** A datastore. Without `connectionString` and `containerUrl` its files are kept in the stand-in's own folder. */
export interface DatastoreOptions extends StoreOptions {
  readonly name: string;
  readonly accountName: string;
  /** Default `AzureBlob`. */
  readonly type?: 'AzureBlob' | 'AzureDataLakeGen2';
  readonly isDefault?: boolean;
}

/** An Azure ML registry. */
export interface RegistryOptions {
  readonly name: string;
  readonly location?: string;
  /** Where published models are copied to; default the stand-in's own folder. */
  readonly store?: StoreOptions & { readonly accountName: string };
}

/** What an identity may do; the rights are those of Azure's role of that name (`identity/roles.ts`). */
export interface RoleAssignment {
  readonly objectId: string;
  readonly role: 'Reader' | 'Contributor' | 'AzureML Data Scientist' | 'AzureML Compute Operator' | 'AzureML Registry User';
  /** Name of a workspace or of a registry; default all of them. */
  readonly scope?: string;
}

/** A token bucket (facts/azure.md §1.5). */
export interface BucketOptions {
  readonly size: number;
  readonly perSecond: number;
}

/** What the stand-in is given. */
export interface AzureMlOptions {
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  readonly workspaces: readonly WorkspaceOptions[];
  /** Issuer of the tokens that are taken, and where its keys are. */
  readonly issuer: string;
  readonly jwksUri: string;
  readonly tenant: string;
  /** Audiences that are taken; default ARM's, with and without the trailing slash. */
  readonly audiences?: readonly string[];
  /** Object ids that may come in at all; default everybody with a good token. */
  readonly readers?: readonly string[];
  /** What each may do; default everything. */
  readonly roles?: readonly RoleAssignment[];
  readonly clock?: Clock;

  /** Folder of all state; default a temporary folder that goes away with `close`. */
  readonly dataDir?: string;
  /**
   * Address of this stand-in, without trailing slash. With it, `mlFlowTrackingUri` of a workspace names this host, and jobs get
   * addresses that they can reach. May be given later: see `AzureMlCloud.listen`.
   */
  readonly baseUrl?: string;
  /** By image name without digest; a key that ends in `/` or `*` is a prefix. The longest match wins. */
  readonly images?: Readonly<Record<string, ImageMapping>>;
  readonly registries?: readonly RegistryOptions[];

  /** Token buckets per principal; default as ARM's: reads 250 + 25/s, writes 200 + 10/s, deletes 200 + 10/s. */
  readonly throttle?: { readonly reads?: BucketOptions; readonly writes?: BucketOptions; readonly deletes?: BucketOptions };
  /** Delays in milliseconds of the stand-in's clock, all 0 by default. */
  readonly delays?: {
    /** How long a job prepares (image, nodes). */
    readonly preparingMs?: number;
    /** How long a job is queued at least. */
    readonly queuedMs?: number;
    /** How long a new job is missing in lists. */
    readonly listMs?: number;
    /** How long a logged metric is not readable (facts/mlflow.md §9: log-batch is asynchronous). */
    readonly metricMs?: number;
    /** How long a long operation takes. */
    readonly operationMs?: number;
  };
  /** How long a process may take to end after SIGTERM, milliseconds (default 5000). */
  readonly graceMs?: number;
  /** Items of a page of a list; default 20. */
  readonly pageSize?: number;
  /** Where `RunStatusChanged` and `RunCompleted` go. Default nowhere. */
  readonly events?: {
    /** Called in order; a failure is written to standard error and changes nothing. */
    readonly publish?: (event: RunEvent) => Promise<void> | void;
    /** Address that gets each event by POST as CloudEvent 1.0, tried three times. */
    readonly url?: string;
    /** Also tell of Failed and Canceled by `RunStatusChanged`; default false, as the how-to says (facts/azure.md §3.2). */
    readonly failures?: boolean;
  };
}
