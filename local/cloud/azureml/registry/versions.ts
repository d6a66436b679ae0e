// Versions of assets as records: what may change after they were made, what may not, which is the newest.
// A version is fixed apart from description, tags, properties and archiving (facts/azure.md §1.4).
import { isDeepStrictEqual } from 'node:util';
import type { AssetContainer, AssetVersion, Author, JsonObject } from '../model.ts';

/** What is sent for a version. */
export interface VersionInput {
  readonly spec: JsonObject;
  readonly description?: string | null | undefined;
  readonly tags?: Readonly<Record<string, string>> | null | undefined;
  readonly properties?: Readonly<Record<string, string>> | null | undefined;
  readonly isArchived?: boolean | null | undefined;
}

/** A version exists and something of it that cannot change was sent differently. */
export class VersionFixedError extends Error {
  override readonly name = 'VersionFixedError';
  constructor(readonly keys: readonly string[]) {
    super(`cannot change ${keys.join(', ')}`);
  }
}

/** The container of that name, made where there is none. */
export function containerNamed(containers: AssetContainer[], name: string, author: Author, now: number): AssetContainer {
  const found = containers.find((container) => container.name === name);
  if (found) return found;
  const made: AssetContainer = {
    name,
    description: null,
    tags: {},
    properties: {},
    isArchived: false,
    createdAt: now,
    modifiedAt: now,
    createdBy: author,
    versions: [],
  };
  containers.push(made);
  return made;
}

/** Makes the version or changes what may change. Throws `VersionFixedError`. */
export function putVersion(
  container: AssetContainer,
  version: string,
  input: VersionInput,
  author: Author,
  now: number,
): { readonly version: AssetVersion; readonly created: boolean } {
  const existing = container.versions.find((candidate) => candidate.version === version);
  if (!existing) {
    const made: AssetVersion = {
      name: container.name,
      version,
      spec: input.spec,
      description: input.description ?? null,
      tags: { ...input.tags },
      properties: { ...input.properties },
      isArchived: input.isArchived ?? false,
      createdAt: now,
      modifiedAt: now,
      createdBy: author,
    };
    container.versions.push(made);
    container.modifiedAt = now;
    return { version: made, created: true };
  }
  const keys = changedKeys(existing.spec, input.spec);
  if (keys.length > 0) throw new VersionFixedError(keys);
  if (input.description !== undefined) existing.description = input.description;
  existing.tags = { ...input.tags };
  existing.properties = { ...existing.properties, ...input.properties };
  if (typeof input.isArchived === 'boolean') existing.isArchived = input.isArchived;
  existing.modifiedAt = now;
  return { version: existing, created: false };
}

/** Keys that differ; `null` and absent are the same, and so are values that the service filled in. */
function changedKeys(before: JsonObject, after: JsonObject): string[] {
  const keys = Object.keys(after);
  return keys.filter((key) => (after[key] ?? null) !== null && !isDeepStrictEqual(before[key] ?? null, after[key] ?? null));
}

/** The version that was made last, `null` where there is none. */
export const latestVersion = (container: AssetContainer): string | null => container.versions.at(-1)?.version ?? null;

/** One above the highest number among the versions. */
export const nextVersion = (container: AssetContainer): string =>
  String(1 + Math.max(0, ...container.versions.map(({ version }) => (/^\d{1,15}$/.test(version) ? Number(version) : 0))));
