// A Delta table's log as a foreign engine reads and writes it: JSON commits only (a table with checkpoints and a trimmed log is refused).
// Shares nothing with the product's own writer, so that what one writes the other is tested on. Source: facts/delta.md §1–§3.
import type { ContainerClient } from '@azure/storage-blob';

export interface AddFile {
  path: string;
  partitionValues: Record<string, string | null>;
  size: number;
  modificationTime: number;
  dataChange: boolean;
  stats: string;
}

export interface Field {
  name: string;
  type: string;
}

export interface TableState {
  /** -1: there is no table. */
  version: number;
  fields: readonly Field[];
  files: ReadonlyMap<string, AddFile>;
  appIds: ReadonlySet<string>;
}

export interface NewCommit {
  adds: AddFile[];
  removes: string[];
  fields: readonly Field[];
  partitionBy: readonly string[];
  txn: { appId: string; version: number };
  operation: string;
  userMetadata: string;
}

const CALL_MS = 30_000;

export async function readTable(lake: ContainerClient, root: string): Promise<TableState> {
  const files = new Map<string, AddFile>();
  const appIds = new Set<string>();
  let fields: readonly Field[] = [];
  for (let version = 0; ; version += 1) {
    const text = await readText(lake, commitName(root, version));
    if (text === null) {
      if (version === 0 && (await hasLog(lake, root)))
        throw new Error(`${root}: its log does not begin at version 0; this engine reads no checkpoints`);
      return { version: version - 1, fields, files, appIds };
    }
    for (const line of text.split('\n').filter((one) => one.trim() !== '')) {
      const action = JSON.parse(line) as {
        add?: AddFile;
        remove?: { path: string };
        txn?: { appId: string };
        metaData?: { schemaString: string };
      };
      if (action.add) files.set(action.add.path, action.add);
      if (action.remove) files.delete(action.remove.path);
      if (action.txn) appIds.add(action.txn.appId);
      if (action.metaData) fields = (JSON.parse(action.metaData.schemaString) as { fields: Field[] }).fields;
    }
  }
}

/** Commits at the next version, which must still be free. false: somebody else took it. */
export async function commit(lake: ContainerClient, root: string, state: TableState, change: NewCommit, now: number): Promise<boolean> {
  const made = state.version < 0 ? [protocol(), metaData(root, change, now)] : [];
  const removes = change.removes.map((path) => ({ remove: { path, deletionTimestamp: now, dataChange: true } }));
  const info = {
    timestamp: now,
    operation: change.operation,
    operationParameters: {},
    engineInfo: 'sluice-stand-in',
    userMetadata: change.userMetadata,
  };
  const actions = [
    ...made,
    { txn: { ...change.txn, lastUpdated: now } },
    ...removes,
    ...change.adds.map((add) => ({ add })),
    { commitInfo: info },
  ];
  const text = `${actions.map((action) => JSON.stringify(action)).join('\n')}\n`;
  try {
    await lake.getBlockBlobClient(commitName(root, state.version + 1)).upload(text, Buffer.byteLength(text), {
      conditions: { ifNoneMatch: '*' },
      abortSignal: AbortSignal.timeout(CALL_MS),
    });
    return true;
  } catch (error) {
    const { statusCode } = error as { statusCode?: number };
    if (statusCode === 409 || statusCode === 412) return false;
    throw error;
  }
}

const protocol = (): object => ({ protocol: { minReaderVersion: 1, minWriterVersion: 2 } });

function metaData(root: string, { fields, partitionBy }: NewCommit, now: number): object {
  const schema = { type: 'struct', fields: fields.map(({ name, type }) => ({ name, type, nullable: true, metadata: {} })) };
  return {
    metaData: {
      id: `${root.replaceAll('/', '-')}${now}`,
      format: { provider: 'parquet', options: {} },
      schemaString: JSON.stringify(schema),
      partitionColumns: partitionBy,
      configuration: {},
      createdTime: now,
    },
  };
}

function commitName(root: string, version: number): string {
  return `${root}_delta_log/${String(version).padStart(20, '0')}.json`;
}

async function hasLog(lake: ContainerClient, root: string): Promise<boolean> {
  const first = await lake.listBlobsFlat({ prefix: `${root}_delta_log/`, abortSignal: AbortSignal.timeout(CALL_MS) }).next();
  return first.done !== true;
}

async function readText(lake: ContainerClient, path: string): Promise<string | null> {
  try {
    return (await lake.getBlobClient(path).downloadToBuffer(0, undefined, { abortSignal: AbortSignal.timeout(CALL_MS) })).toString('utf8');
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return null;
    throw error;
  }
}
