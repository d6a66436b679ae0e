// What the local SageMaker remembers, and how its names become ARNs.
// A deployed variant carries its model with it: what runs is known even when model or config has been deleted since.

/** A tag as the API has it. */
export interface Tag {
  readonly Key: string;
  readonly Value: string;
}

/** A model: one container. */
export interface ModelRecord {
  readonly name: string;
  readonly roleArn: string;
  readonly image: string;
  /** `s3://bucket/key` of a tar.gz; absent = the container brings its model. */
  readonly modelDataUrl?: string;
  readonly environment: Readonly<Record<string, string>>;
  /** The container as it was given, for DescribeModel. */
  readonly container: Readonly<Record<string, unknown>>;
  /** Further members that are only given back. */
  readonly echo: Readonly<Record<string, unknown>>;
  readonly createdAt: number;
}

/** One production variant of a config. */
export interface VariantSpec {
  readonly name: string;
  readonly modelName: string;
  readonly instanceType: string;
  readonly instanceCount: number;
  readonly weight: number;
  /** The variant as it was given, for DescribeEndpointConfig. */
  readonly given: Readonly<Record<string, unknown>>;
}

/** An endpoint configuration. */
export interface ConfigRecord {
  readonly name: string;
  readonly variants: readonly VariantSpec[];
  readonly echo: Readonly<Record<string, unknown>>;
  readonly createdAt: number;
}

/** A variant in service or about to be. */
export interface LiveVariant {
  readonly spec: VariantSpec;
  readonly model: ModelRecord;
  weight: number;
  desiredWeight: number;
  count: number;
  desiredCount: number;
}

/** States that this stand-in reaches (facts/sagemaker.md §1.4 lists all). */
export type EndpointStatus = 'Creating' | 'Updating' | 'InService' | 'Failed' | 'Deleting';

/** A deployment under way. */
export interface Pending {
  readonly configName: string;
  readonly variants: readonly LiveVariant[];
  readonly startedAt: number;
}

/** An endpoint. */
export interface EndpointRecord {
  readonly name: string;
  status: EndpointStatus;
  /** The config in service; while the first deployment runs, the one that was asked for. */
  configName: string;
  variants: LiveVariant[];
  pending?: Pending | undefined;
  failureReason?: string | undefined;
  deploymentConfig?: Readonly<Record<string, unknown>> | undefined;
  readonly createdAt: number;
  modifiedAt: number;
}

/** The whole durable document. Names are keys of arrays' members, never of objects: `constructor` is a legal name. */
export interface SageMakerDocument {
  models: ModelRecord[];
  configs: ConfigRecord[];
  endpoints: EndpointRecord[];
  tags: { readonly arn: string; tags: Tag[] }[];
}

/** An empty account. */
export const EMPTY: SageMakerDocument = { models: [], configs: [], endpoints: [], tags: [] };

/** Kinds of ARN. */
export type ArnKind = 'model' | 'endpoint-config' | 'endpoint';

/** Makes ARNs; names in them are lower-cased (facts/sagemaker.md §3.8). */
export function arnMaker(region: string, accountId: string): (kind: ArnKind, name: string) => string {
  return (kind, name) => `arn:aws:sagemaker:${region}:${accountId}:${kind}/${name.toLowerCase()}`;
}

/** Finds by name without case: two endpoints that differ in case only cannot exist (facts/sagemaker.md §1.2). */
export function byName<T extends { readonly name: string }>(records: readonly T[], name: string): T | undefined {
  return records.find((record) => record.name.toLowerCase() === name.toLowerCase());
}

/** Takes the record out of the list. */
export function remove<T>(records: T[], record: T): void {
  const at = records.indexOf(record);
  if (at >= 0) records.splice(at, 1);
}
