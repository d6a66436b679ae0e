// Which tables this client may read and write: reader 1, writer 2 with appendOnly and invariants (facts/delta.md §4).
// What needs more is refused by the name of the feature, never half-understood.
import { RejectedError } from '../../../errors/errors.ts';
import type { Add, MetaData, Protocol } from './actions.ts';
import { parseSchema } from './schema.ts';
import type { DeltaField } from './types.ts';

/** The protocol of tables that we create: every client opens them. */
export const OUR_PROTOCOL: Protocol = { minReaderVersion: 1, minWriterVersion: 2 };

const MEND = 'Mend: read or write it with a client that has the feature, or drop the feature at its source.';

/** Throws `table-unsupported` unless a reader-1 client may read the table. */
export function refuseUnreadable(table: string, protocol: Protocol): void {
  const features = protocol.readerFeatures ?? [];
  if (protocol.minReaderVersion < 1 || protocol.minWriterVersion < 1)
    throw new RejectedError(
      'table-invalid',
      `${table}: protocol ${protocol.minReaderVersion}/${protocol.minWriterVersion} does not exist.`,
    );
  if (protocol.minReaderVersion === 1 || (protocol.minReaderVersion === 3 && features.length === 0)) return;
  const named = protocol.minReaderVersion === 2 ? 'columnMapping' : features.join(', ');
  throw new RejectedError(
    'table-unsupported',
    `${table}: reading it needs reader version ${protocol.minReaderVersion} (${named || 'unknown'}), which is not built in. ${MEND}`,
  );
}

/** Throws `table-unsupported` or `append-only` unless a writer-2 client may commit. */
export function refuseUnwritable(table: string, protocol: Protocol, metaData: MetaData, removes: boolean): void {
  refuseUnreadable(table, protocol);
  const known = new Set(['appendOnly', 'invariants']);
  const foreign = (protocol.writerFeatures ?? []).filter((feature) => !known.has(feature));
  const sevenIsFine = protocol.minWriterVersion === 7 && foreign.length === 0;
  if (protocol.minWriterVersion > 2 && !sevenIsFine)
    throw new RejectedError(
      'table-unsupported',
      `${table}: writing it needs writer version ${protocol.minWriterVersion} (${foreign.join(', ') || 'its features are not listed'}). ${MEND}`,
    );
  if (metaData.partitionColumns.length > 0)
    throw new RejectedError(
      'table-unsupported',
      `${table}: it is partitioned by ${metaData.partitionColumns.join(', ')}; Sluice writes tables without partitions. Mend: name a new table in sluice.yaml.`,
    );
  if (removes && metaData.configuration?.['delta.appendOnly'] === 'true')
    throw new RejectedError(
      'append-only',
      `${table}: delta.appendOnly is set, so nothing may be replaced. Mend: use "mode: append" or another table.`,
    );
  for (const field of parseSchema(metaData.schemaString, table)) refuseInvariant(table, field);
}

function refuseInvariant(table: string, field: DeltaField): void {
  if (Object.hasOwn(field.metadata, 'delta.invariants'))
    throw new RejectedError('table-unsupported', `${table}: column "${field.name}" has an invariant, which is not evaluated here. ${MEND}`);
  if (typeof field.type === 'object' && field.type.type === 'struct') for (const inner of field.type.fields) refuseInvariant(table, inner);
}

/** Second line of defence: an action that needs a feature the protocol does not announce is damage, not rows. */
export function refuseHiddenFeature(table: string, add: Add): void {
  if (add.deletionVector !== null && add.deletionVector !== undefined)
    throw new RejectedError('table-invalid', `${table}: ${add.path} has a deletion vector, which the table's protocol does not announce.`);
}

/** Blob name below the table root of a path in the log: percent-decoded once; absolute and climbing paths are refused (facts/delta.md §3.2). */
export function blobName(table: string, path: string): string {
  let name: string;
  try {
    name = decodeURIComponent(path);
  } catch {
    throw new RejectedError('table-invalid', `${table}: the path ${JSON.stringify(path)} in the log is not percent-encoded properly.`);
  }
  if (/^([A-Za-z][A-Za-z0-9+.-]*:|\/|\\)/.test(path) || name.startsWith('/') || name.split(/[/\\]/).includes('..'))
    throw new RejectedError(
      'table-unsupported',
      `${table}: the log names ${JSON.stringify(path)}, outside the table's folder; such files are not read.`,
    );
  return name;
}
