// Which tables this client may read and write: reader 1, writer 2 with appendOnly and invariants, and timestampNtz (facts/delta.md §4).
// What needs more is refused by the name of the feature, never half-understood.
import { RejectedError } from '../../../errors/errors.ts';
import type { Add, MetaData, Protocol } from './actions.ts';
import { parseSchema } from './schema.ts';
import type { DeltaField, DeltaType } from './types.ts';

/** What a reader must know; features that are announced in both lists. */
const READER_FEATURES = new Set(['timestampNtz']);
const WRITER_FEATURES = new Set(['appendOnly', 'invariants', ...READER_FEATURES]);

/** The protocol of tables that we create: 1/2, which every client opens, unless a declared timestamp_ntz needs its feature. */
export function protocolFor(fields: readonly DeltaField[]): Protocol {
  if (!fields.some((field) => holdsNtz(field.type))) return { minReaderVersion: 1, minWriterVersion: 2 };
  return { minReaderVersion: 3, minWriterVersion: 7, readerFeatures: ['timestampNtz'], writerFeatures: ['timestampNtz'] };
}

/** The type is or contains timestamp_ntz. */
function holdsNtz(type: DeltaType): boolean {
  if (typeof type === 'string') return type === 'timestamp_ntz';
  if (type.type === 'array') return holdsNtz(type.elementType);
  if (type.type === 'map') return holdsNtz(type.keyType) || holdsNtz(type.valueType);
  return type.fields.some((field) => holdsNtz(field.type));
}

const MEND = 'Mend: read or write it with a client that has the feature, or drop the feature at its source.';

/** Throws `table-unsupported` unless this client may read the table. */
export function refuseUnreadable(table: string, protocol: Protocol): void {
  const { minReaderVersion: reader, minWriterVersion: writer } = protocol;
  if (reader < 1 || writer < 1) throw new RejectedError('table-invalid', `${table}: protocol ${reader}/${writer} does not exist.`);
  const foreign = (protocol.readerFeatures ?? []).filter((feature) => !READER_FEATURES.has(feature));
  if (reader === 1 || (reader === 3 && foreign.length === 0)) return;
  const named = reader === 2 ? 'columnMapping' : foreign.join(', ');
  throw new RejectedError(
    'table-unsupported',
    `${table}: reading it needs reader version ${reader} (${named || 'unknown'}), which is not built in. ${MEND}`,
  );
}

/** A type that the protocol must announce: `table-invalid` when a column has it and the protocol does not. */
export function refuseHiddenType(table: string, protocol: Protocol, fields: readonly DeltaField[]): void {
  if ((protocol.readerFeatures ?? []).includes('timestampNtz')) return;
  const hidden = fields.find((field) => holdsNtz(field.type));
  if (hidden)
    throw new RejectedError(
      'table-invalid',
      `${table}: column "${hidden.name}" is timestamp_ntz, which the table's protocol does not announce.`,
    );
}

/** Throws `table-unsupported` or `append-only` unless this client may commit. */
export function refuseUnwritable(table: string, protocol: Protocol, metaData: MetaData, removes: boolean): void {
  refuseUnreadable(table, protocol);
  const foreign = (protocol.writerFeatures ?? []).filter((feature) => !WRITER_FEATURES.has(feature));
  const sevenIsFine = protocol.minWriterVersion === 7 && foreign.length === 0;
  if (protocol.minWriterVersion > 2 && !sevenIsFine)
    throw new RejectedError(
      'table-unsupported',
      `${table}: writing it needs writer version ${protocol.minWriterVersion} (${foreign.join(', ') || 'its features are not listed'}). ${MEND}`,
    );
  if (metaData.format.provider !== 'parquet')
    throw new RejectedError('table-unsupported', `${table}: its files are ${JSON.stringify(metaData.format.provider)}, not parquet.`);
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
