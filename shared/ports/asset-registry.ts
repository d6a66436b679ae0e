// Versions of data, models and environments in a workspace, and models carried over to a shared registry.

/** A version that exists now; `id` is the service's own id of it. */
export interface AssetVersion {
  name: string;
  version: string;
  id: string;
}

/** A gold commit as a data asset. */
export interface DataAsset {
  table: string;
  goldVersion: number;
  /** SHA-256 of the version's active files. */
  goldDigest: string;
  /** Folder below the datastore. */
  path: string;
  /** Datastore that holds it; the store's own without. */
  datastore?: string;
  tags?: Readonly<Record<string, string>>;
}

export interface ModelAsset {
  name: string;
  modelDigest: string;
  /** Folder or file below the store's datastore. */
  path: string;
  tags?: Readonly<Record<string, string>>;
}

/** A publication under way; store it as it is and ask `poll` about it. */
export interface Publication {
  name: string;
  version: string;
  modelDigest: string;
  /** Null when the registry had the model already. */
  operation: { kind: 'async-operation' | 'location'; url: string } | null;
}

export type PublicationState = { state: 'running'; waitMs: number } | { state: 'succeeded'; id: string };

export interface AssetRegistry {
  /** One version per gold commit; idempotent. Rejects `asset-conflict` when the version is there with other content. */
  data(asset: DataAsset): Promise<AssetVersion>;
  /** One version per model digest, with the digest as tag `sha256`; idempotent. */
  model(asset: ModelAsset): Promise<AssetVersion>;
  /** The environment of an image by digest. */
  environment(image: string): Promise<AssetVersion>;
  /** Starts to copy a model version of the workspace into the registry. Rejects `registry-mismatch` when another model has its name. */
  publish(model: { name: string; version: string; modelDigest: string }): Promise<Publication>;
  /**
   * Looks once. At the end the tag `sha256` is read back from the registry and compared (`registry-mismatch`);
   * a failed copy rejects `publication-failed`.
   */
  poll(publication: Publication): Promise<PublicationState>;
}
