// What every route works with, and the call that it answers. Routes throw `ArmError`; the router turns it into ARM's answer.
import type { Clock } from '../../kit/clock.ts';
import { json } from '../../kit/body.ts';
import type { Files } from '../execution/files.ts';
import type { Place } from '../execution/locations.ts';
import type { Machinery } from '../execution/command.ts';
import type { Runner } from '../execution/runner.ts';
import type { Roles } from '../identity/roles.ts';
import type { Caller, Tokens } from '../identity/tokens.ts';
import type { AzureMlOptions, ComputeOptions, DatastoreOptions } from '../options.ts';
import type { RegistryPart } from '../registry/registry.ts';
import type { Store } from '../store.ts';
import type { WorkspaceOptions } from '../workspace.ts';
import type { Operations } from './operations.ts';

/** One workspace with everything that is in it. */
export interface WorkspacePart {
  readonly options: WorkspaceOptions;
  readonly id: string;
  readonly region: string;
  readonly place: Place;
  readonly store: Store;
  readonly files: Files;
  readonly runner: Runner;
  readonly machinery: Machinery;
  readonly computes: readonly ComputeOptions[];
  readonly datastores: readonly DatastoreOptions[];
}

/** The running stand-in. */
export interface CloudContext {
  readonly options: AzureMlOptions;
  readonly clock: Clock;
  readonly workspaces: readonly WorkspacePart[];
  readonly registries: readonly RegistryPart[];
  readonly operations: Operations;
  readonly tokens: Tokens;
  readonly roles: Roles;
  /** Address under which the stand-in is reached, once it is known. */
  readonly baseUrl: () => string | undefined;
}

/** One call of ARM on a workspace. */
export interface Call {
  readonly context: CloudContext;
  readonly workspace: WorkspacePart;
  readonly request: Request;
  readonly url: URL;
  readonly caller: Caller & { kind: 'principal' };
  readonly apiVersion: string;
  /** Values of the `:name` parts of the path, decoded. */
  readonly params: Readonly<Record<string, string>>;
}

/** The same on a registry. */
export type RegistryCall = Omit<Call, 'workspace'> & { readonly registry: RegistryPart };

/** `systemData` of something that was made over HTTP. */
export const systemData = (record: { createdAt: number; modifiedAt: number; createdBy: { id: string; type: string } }): object => ({
  createdAt: new Date(record.createdAt).toISOString(),
  createdBy: record.createdBy.id,
  createdByType: record.createdBy.type,
  lastModifiedAt: new Date(record.modifiedAt).toISOString(),
  lastModifiedBy: record.createdBy.id,
  lastModifiedByType: record.createdBy.type,
});

/** Created or changed. */
export const stored = (body: object, created: boolean): Response => json(body, created ? 201 : 200);
