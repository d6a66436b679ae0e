// What the rows of a table must satisfy, as SQL over its columns: the contract of its columns, the keys of a merge, expectations.
import { mergeKeys, type ColumnContract, type Table } from '../../../contracts/pipeline/table.ts';
import { RejectedError } from '../../../errors/errors.ts';
import type { DeltaField } from '../delta/types.ts';
import type { LocalFile } from '../delta/parquet.ts';
import { sqlName, sqlText, type Duck } from './duck.ts';
import { refuseNonExpression } from './sql-views.ts';

export type RuleAction = 'warn' | 'quarantine' | 'fail';

export interface Rule {
  name: string;
  action: RuleAction;
  /** SQL that is true for a row that breaks the rule, never null. */
  broken: string;
  /** What is wrong with such a row. */
  reason: string;
  /** Error code of `fail`. */
  code: 'expectation-failed' | 'contract-broken';
}

const MEND = 'Mend: correct the contract in sluice.yaml, or the SQL, and apply the pipeline again.';

/** The new rows of a table as a relation. */
export const candidateRows = (candidate: LocalFile): string => `read_parquet(${sqlText(candidate.file)}, hive_partitioning = false)`;

/**
 * The rules that each new row of a table must satisfy by itself; those that the file's own statistics prove are left out.
 * Rejects `missing-column`, `wrong-type`, `bad-contract`, `bad-expectation`.
 */
export async function rowRules(duck: Duck, spec: Table, fields: readonly DeltaField[], candidate: LocalFile): Promise<Rule[]> {
  const rules: Rule[] = [];
  const facts = statsOf(candidate);
  for (const [column, contract] of Object.entries(spec.columns ?? {}))
    rules.push(...columnRules(spec, fieldOf(spec, fields, column, contract), contract, facts));
  const keys = keysOf(spec, fields);
  if (keys.length > 0)
    rules.push({
      name: 'key-required',
      action: keyAction(spec, keys),
      broken: `(${keys.map((key) => `${sqlName(key)} IS NULL`).join(' OR ')})`,
      reason: `the key (${keys.join(', ')}) is null`,
      code: 'contract-broken',
    });
  for (const { name, check, onFail } of spec.expect) {
    await refuseNonExpression(duck, name, check);
    rules.push({ name, action: onFail, broken: `((${check}\n) IS NOT TRUE)`, reason: `not true: ${check}`, code: 'expectation-failed' });
  }
  return rules;
}

/** The rules that rows must satisfy together, among those that stay (`staying`: SQL; null: all). Rules that hold are left out. */
export async function uniqueRules(
  duck: Duck,
  spec: Table,
  fields: readonly DeltaField[],
  candidate: LocalFile,
  staying: string | null,
): Promise<Rule[]> {
  const rows = `(SELECT * FROM ${candidateRows(candidate)}${staying === null ? '' : ` WHERE ${staying}`})`;
  const rules: Rule[] = [];
  const add = async (name: string, action: RuleAction, columns: readonly string[], reason: string) => {
    if (await hasTwice(duck, rows, columns))
      rules.push({ name, action, broken: twice(rows, columns, staying), reason, code: 'contract-broken' });
  };
  for (const [column, { unique, onFail }] of Object.entries(spec.columns ?? {}))
    if (unique) await add(`unique:${column}`, onFail, [column], `column "${column}" has this value more than once`);
  const keys = keysOf(spec, fields);
  if (keys.length > 0) await add('key-unique', keyAction(spec, keys), keys, `the key (${keys.join(', ')}) occurs more than once`);
  return rules;
}

/** True for every row of a value that occurs twice: which of them is right, nobody here can know. */
function twice(rows: string, columns: readonly string[], staying: string | null): string {
  const names = columns.map(sqlName);
  const value = `{${names.map((name, n) => `'k${n}': ${name}`).join(', ')}}`;
  const there = names.map((name) => `${name} IS NOT NULL`).join(' AND ');
  const values = `SELECT ${value} FROM ${rows} WHERE ${there} GROUP BY ${names.join(', ')} HAVING count(*) > 1`;
  return `((${staying === null ? '' : `${staying} AND `}${there} AND ${value} IN (${values})) IS TRUE)`;
}

/** The column as it is, when the contract can hold for it at all. */
function fieldOf(spec: Table, fields: readonly DeltaField[], column: string, contract: ColumnContract): DeltaField {
  const field = fields.find((each) => each.name === column);
  if (!field)
    throw new RejectedError(
      'missing-column',
      `${spec.sql}: its result has no column "${column}", which the contract of table "${spec.name}" names. It has: ${fields
        .map((each) => each.name)
        .join(', ')
        .slice(0, 500)}. ${MEND}`,
    );
  const type = typeof field.type === 'string' ? field.type : field.type.type;
  if (contract.type !== undefined && contract.type.replaceAll(/\s/g, '').toLowerCase() !== type)
    throw new RejectedError(
      'wrong-type',
      `${spec.sql}: column "${column}" is ${type}, the contract of table "${spec.name}" says ${contract.type}. ${MEND}`,
    );
  return field;
}

const NUMERIC = /^(byte|short|integer|long|float|double|decimal\()/;

function columnRules(spec: Table, field: DeltaField, contract: ColumnContract, facts: Stats): Rule[] {
  const name = sqlName(field.name);
  const rules: Rule[] = [];
  const add = (rule: string, broken: string, words: string) =>
    rules.push({
      name: `${rule}:${field.name}`,
      action: contract.onFail,
      broken,
      reason: `column "${field.name}" ${words}`,
      code: 'contract-broken',
    });
  if (contract.required && facts.nullCount[field.name] !== 0) add('required', `(${name} IS NULL)`, 'is null');
  if (contract.min !== undefined || contract.max !== undefined) {
    if (typeof field.type !== 'string' || !NUMERIC.test(field.type)) throw misfit(spec, field, 'min and max are for numbers');
    const { min, max } = contract;
    if (min !== undefined && !(exactly(facts.minValues[field.name]) >= min)) add('min', `((${name} < ${min}) IS TRUE)`, `is below ${min}`);
    if (max !== undefined && !(exactly(facts.maxValues[field.name]) <= max)) add('max', `((${name} > ${max}) IS TRUE)`, `is above ${max}`);
  }
  if (contract.values)
    add('values', `((${name} IN (${literals(spec, field, contract.values)})) IS FALSE)`, 'is none of the values allowed');
  return rules;
}

/** Values as SQL, each of the kind of the column: DuckDB would turn one into the other in silence. */
function literals(spec: Table, field: DeltaField, values: readonly (string | number | boolean)[]): string {
  const kind = typeof field.type !== 'string' ? 'nested' : NUMERIC.test(field.type) ? 'number' : field.type;
  return values
    .map((value) => {
      if (kind !== (typeof value === 'string' ? kind : typeof value)) throw misfit(spec, field, `${JSON.stringify(value)} is no ${kind}`);
      if (typeof value !== 'string') return String(value);
      if (kind === 'string') return sqlText(value);
      if (kind === 'date') return `CAST(${sqlText(value)} AS DATE)`;
      throw misfit(spec, field, `${JSON.stringify(value)} is text`);
    })
    .join(', ');
}

function misfit(spec: Table, field: DeltaField, why: string): RejectedError {
  const type = typeof field.type === 'string' ? field.type : field.type.type;
  return new RejectedError('bad-contract', `table "${spec.name}", column "${field.name}" (${type}): ${why}. ${MEND}`);
}

async function hasTwice(duck: Duck, rows: string, columns: readonly string[]): Promise<boolean> {
  const names = columns.map(sqlName);
  const there = names.map((name) => `${name} IS NOT NULL`).join(' AND ');
  const found = await duck.rows(`SELECT 1 AS n FROM ${rows} WHERE ${there} GROUP BY ${names.join(', ')} HAVING count(*) > 1 LIMIT 1`);
  return found.length > 0;
}

/** Keys of a merge. Rejects `missing-column`. */
function keysOf(spec: Table, fields: readonly DeltaField[]): string[] {
  const keys = mergeKeys(spec.mode);
  const missing = keys.find((key) => !fields.some((field) => field.name === key));
  if (missing === undefined) return keys;
  throw new RejectedError('missing-column', `${spec.sql}: its result has no column "${missing}", a key of table "${spec.name}". ${MEND}`);
}

/** A merge needs keys that are there and tell rows apart; a warning would not do. */
function keyAction(spec: Table, keys: readonly string[]): RuleAction {
  return keys.some((key) => spec.columns?.[key]?.onFail === 'quarantine') ? 'quarantine' : 'fail';
}

interface Stats {
  nullCount: Record<string, number>;
  minValues: Record<string, unknown>;
  maxValues: Record<string, unknown>;
}

function statsOf(file: LocalFile): Stats {
  const none = { nullCount: {}, minValues: {}, maxValues: {} };
  return { ...none, ...(JSON.parse(file.stats) as Partial<Stats>) };
}

/** A bound that JSON kept exactly; NaN, which satisfies no comparison, for everything else. */
function exactly(bound: unknown): number {
  return typeof bound === 'number' && Math.abs(bound) < Number.MAX_SAFE_INTEGER ? bound : NaN;
}
