// The tables of the product: their names, their clients, and making them at start.
import { TableClient, type TableServiceClientOptions } from '@azure/data-tables';
import type { TokenCredential } from '@azure/identity';
import { createTable, type Table } from './table.ts';

const NAMES = [
  'ledger',
  'runs',
  'models',
  'promotions',
  'serving',
  'pipelines',
  'audit',
  'guards',
  'budgets',
  'vitals',
  'quarantine',
  'rates',
] as const;
export type TableName = (typeof NAMES)[number];

/** Identity in Azure; a connection string (account key) only where there is no identity: Azurite. */
export type TablesConnection = { endpoint: string; credential: TokenCredential } | { connectionString: string };

export interface Tables extends Record<TableName, Table> {
  /** Makes what is missing. Call it at start, before anything else. */
  ensureTables(): Promise<void>;
}

/** `prefix` (letters and digits) keeps several installations in one account apart. */
export function openTables(connection: TablesConnection, prefix = ''): Tables {
  const table = (name: TableName) => createTable(client(connection, `${prefix}${name}`));
  const tables: Record<TableName, Table> = {
    ledger: table('ledger'),
    runs: table('runs'),
    models: table('models'),
    promotions: table('promotions'),
    serving: table('serving'),
    pipelines: table('pipelines'),
    audit: table('audit'),
    guards: table('guards'),
    budgets: table('budgets'),
    vitals: table('vitals'),
    quarantine: table('quarantine'),
    rates: table('rates'),
  };
  return {
    ...tables,
    async ensureTables() {
      await Promise.all(NAMES.map((name) => tables[name].ensure()));
    },
  };
}

function client(connection: TablesConnection, name: string): TableClient {
  const options: TableServiceClientOptions = { retryOptions: { maxRetries: 3, retryDelayInMs: 200, maxRetryDelayInMs: 2000 } };
  if ('connectionString' in connection) {
    const allowInsecureConnection = connection.connectionString.includes('TableEndpoint=http://');
    return TableClient.fromConnectionString(connection.connectionString, name, { ...options, allowInsecureConnection });
  }
  return new TableClient(connection.endpoint, name, connection.credential, options);
}
