// One storage table as the stores use it: rows of strings, creation if absent, replacement by ETag, ordered ranges.
// Every request has a timeout, and every refusal comes out as one of our errors or as an answer.
import type { TableClient, TransactionAction } from '@azure/data-tables';
import { isStatus, translated } from './translate.ts';

/** A row as it is written: property values are strings only, so that no type is guessed on the way back. */
export interface NewRow {
  partitionKey: string;
  rowKey: string;
  [property: string]: string;
}

/** A row as it was read; `etag` names this version of it. */
export interface Row {
  partitionKey: string;
  rowKey: string;
  etag: string;
  [property: string]: unknown;
}

/** Keys from `from` up to, not including, `to`. */
export interface KeyRange {
  from: string;
  to: string;
}

export type Step =
  | { kind: 'insert'; row: NewRow }
  /** Writes whether it exists or not. */
  | { kind: 'put'; row: NewRow }
  /** Changes the named properties of a row that still has this ETag; the others stay. */
  | { kind: 'merge'; row: NewRow; etag: string }
  | { kind: 'replace'; row: NewRow; etag: string };

export interface Table {
  ensure(): Promise<void>;
  get(partitionKey: string, rowKey: string): Promise<Row | null>;
  insert(row: NewRow): Promise<'inserted' | 'exists'>;
  replace(row: NewRow, etag: string): Promise<'replaced' | 'changed'>;
  /** Writes whether it exists or not: for index rows, which say the same thing each time. */
  put(row: NewRow): Promise<void>;
  /** Nothing happens when it is gone already. */
  remove(partitionKey: string, rowKey: string): Promise<void>;
  /** All steps or none; they share one partition. `conflict` = a row existed, was gone, or had another ETag. */
  batch(steps: readonly Step[]): Promise<'done' | 'conflict'>;
  /** Rows in key order, at most `limit`. `where` compares properties for equality. */
  range(partitionKey: string | KeyRange, rowKey: KeyRange | null, limit: number, where?: Record<string, string>): Promise<Row[]>;
}

/** For one request including the SDK's own retries, so a caller waits at most this long. */
const TOTAL_MS = 20_000;
const REQUEST_MS = 8_000;

function limits(): { abortSignal: AbortSignal; requestOptions: { timeout: number } } {
  return { abortSignal: AbortSignal.timeout(TOTAL_MS), requestOptions: { timeout: REQUEST_MS } };
}

export function createTable(client: TableClient): Table {
  /** Runs a request; a refusal with one of `expected` becomes the given answer. */
  async function ask<Answer, Refused>(
    request: () => Promise<Answer>,
    expected: readonly number[],
    refused: Refused,
  ): Promise<Answer | Refused> {
    try {
      return await request();
    } catch (error) {
      if (isStatus(error, expected)) return refused;
      throw translated(error, client.tableName);
    }
  }

  return {
    async ensure() {
      await ask(() => client.createTable(limits()), [409], null);
    },

    async get(partitionKey, rowKey) {
      return ask(async () => asRow(await client.getEntity(partitionKey, rowKey, limits())), [404], null);
    },

    async insert(row) {
      return ask(async () => (await client.createEntity(row, limits()), 'inserted' as const), [409], 'exists' as const);
    },

    async replace(row, etag) {
      const request = async () => (await client.updateEntity(row, 'Replace', { ...limits(), etag }), 'replaced' as const);
      return ask(request, [404, 412], 'changed' as const);
    },

    async put(row) {
      await ask(() => client.upsertEntity(row, 'Replace', limits()), [], null);
    },

    async remove(partitionKey, rowKey) {
      await ask(async () => void (await client.deleteEntity(partitionKey, rowKey, limits())), [404], undefined);
    },

    async batch(steps) {
      const actions = steps.map((step): TransactionAction => {
        if (step.kind === 'insert') return ['create', step.row];
        if (step.kind === 'put') return ['upsert', step.row, 'Replace'];
        return ['update', step.row, step.kind === 'merge' ? 'Merge' : 'Replace', { etag: step.etag }];
      });
      return ask(async () => (await client.submitTransaction(actions, limits()), 'done' as const), [404, 409, 412], 'conflict' as const);
    },

    async range(partitionKey, rowKey, limit, where = {}) {
      const filter = [
        ...(typeof partitionKey === 'string' ? [`PartitionKey eq ${quoted(partitionKey)}`] : between('PartitionKey', partitionKey)),
        ...(rowKey ? between('RowKey', rowKey) : []),
        ...Object.entries(where).map(([property, value]) => `${property} eq ${quoted(value)}`),
      ].join(' and ');
      const request = async () => {
        const rows: Row[] = [];
        const pages = client.listEntities({ ...limits(), queryOptions: { filter } }).byPage({ maxPageSize: Math.min(limit, 1000) });
        for await (const page of pages) {
          rows.push(...page.map(asRow));
          if (rows.length >= limit) break;
        }
        return rows.slice(0, limit);
      };
      return limit < 1 ? [] : ask(request, [], []);
    },
  };
}

function between(key: 'PartitionKey' | 'RowKey', range: KeyRange): string[] {
  return [`${key} ge ${quoted(range.from)}`, `${key} lt ${quoted(range.to)}`];
}

/** A string literal of OData: its only special character is the quote. */
function quoted(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** The SDK types keys as optional; the service always sends them. */
function asRow(entity: { partitionKey?: string; rowKey?: string; etag?: string }): Row {
  return { ...entity, partitionKey: entity.partitionKey ?? '', rowKey: entity.rowKey ?? '', etag: entity.etag ?? '' };
}
