// What every operation of the local SageMaker works with, and the few steps that several of them share.
// Operations are functions from a call to the members of the answer; they throw `SageMakerError`.
import type { State } from '../kit/state.ts';
import type { Session } from '../sts/authority.ts';
import type { Fleets } from './fleets.ts';
import type { Images } from './images.ts';
import type { ReadObject } from './model-data.ts';
import type { ArnKind, SageMakerDocument, Tag } from './records.ts';
import { SageMakerError } from './sagemaker-error.ts';

/** Shared by all operations. */
export interface SageMakerContext {
  readonly state: State<SageMakerDocument>;
  readonly fleets: Fleets;
  readonly images: Images;
  readonly read: ReadObject;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly arn: (kind: ArnKind, name: string) => string;
  readonly region: string;
  readonly accountId: string;
  /** How long a created record is not seen by other operations (facts/sagemaker.md §1.4, eventual consistency). */
  readonly consistencyLagMs: number;
  /** Instances per instance type; absent = as many as asked. */
  readonly instanceQuotas: Readonly<Record<string, number>>;
}

/** One call of an operation. */
export interface Call<I> {
  readonly input: I;
  readonly session: Session;
  readonly context: SageMakerContext;
  /** Refuses unless the session may do this on that ARN. */
  readonly authorize: (action: string, resource: string) => void;
}

/** Time as JSON 1.1 carries it: seconds since 1970 with fraction. */
export function epochSeconds(ms: number): number {
  return ms / 1_000;
}

/** Whether a record is old enough to be seen by an operation that reads it eventually consistently. */
export function visible(context: SageMakerContext, record: { readonly createdAt: number }): boolean {
  return context.now() - record.createdAt >= context.consistencyLagMs;
}

/** Records the tags of a new resource; the caller needs the permission to tag. */
export function tagNew(call: Call<unknown>, arn: string, tags: readonly Tag[] | undefined, document: SageMakerDocument): void {
  document.tags = document.tags.filter((entry) => entry.arn !== arn);
  if (tags && tags.length > 0) document.tags.push({ arn, tags: [...tags] });
}

/** Creating with tags needs `sagemaker:AddTags` too (facts/sagemaker.md §3.8 lists it for the promoter). */
export function authorizeCreate(call: Call<{ readonly Tags?: readonly Tag[] | undefined }>, action: string, arn: string): void {
  call.authorize(action, arn);
  if (call.input.Tags && call.input.Tags.length > 0) call.authorize('sagemaker:AddTags', arn);
}

/** What lists share. */
export interface ListInput {
  readonly NextToken?: string | undefined;
  readonly MaxResults?: number | undefined;
  readonly NameContains?: string | undefined;
  readonly SortBy?: 'Name' | 'CreationTime' | undefined;
  readonly SortOrder?: 'Ascending' | 'Descending' | undefined;
}

/** One page of records, newest first unless asked otherwise. */
export function page<T extends { readonly name: string; readonly createdAt: number }>(
  records: readonly T[],
  input: ListInput,
): { readonly items: readonly T[]; readonly next: { readonly NextToken?: string } } {
  const offset = input.NextToken === undefined ? 0 : Number(Buffer.from(input.NextToken, 'base64url').toString('utf8'));
  if (!Number.isInteger(offset) || offset < 0) throw new SageMakerError('ValidationException', 'Invalid NextToken.');
  const sign = input.SortOrder === 'Ascending' ? 1 : -1;
  const compare = (a: T, b: T) => (input.SortBy === 'Name' ? (a.name < b.name ? -1 : 1) : a.createdAt - b.createdAt);
  const found = records
    .filter(({ name }) => input.NameContains === undefined || name.toLowerCase().includes(input.NameContains.toLowerCase()))
    .sort((a, b) => sign * compare(a, b));
  const end = offset + (input.MaxResults ?? 10);
  const next = end < found.length ? { NextToken: Buffer.from(String(end)).toString('base64url') } : {};
  return { items: found.slice(offset, end), next };
}
