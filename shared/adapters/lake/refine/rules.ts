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

/** The rules of a table's new rows; those that the file's own statistics prove are left out. Rejects `missing-column`, `wrong-type`, `bad-contract`, `bad-expectation`. */
export async function rulesOf(duck: Duck, spec: Table, fields: readonly DeltaField[], candidate: LocalFile): Promise<Rule[]> {
  const rules: Rule[] = [];
  const facts = statsOf(candidate);
  const rows = `read_parquet(${sqlText(candidate.file)}, hive_partitioning = false)`;
  for (const [column, contract] of Object.entries(spec.columns ?? {})) {
    const field = fieldOf(spec, fields, column, contract);
    rules.push(...columnRules(spec, field, contract, facts));
    if (contract.unique && (await hasTwice(duck, rows, [column]))) rules.push(uniqueRule(column, contract, rows));
  }
  rules.push(...(await keyRules(duck, spec, fields, rows)));
  for (const { name, check, onFail } of spec.expect) {
    await refuseNonExpression(duck, name, check);
    rules.push({ name, action: onFail, broken: `((${check}\n) IS NOT TRUE)`, reason: `not true: ${check}`, code: 'expectation-failed' });
  }
  return rules;
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

/** A column that has a value twice breaks the rule in every row of that value: which of them is right, nobody here can know. */
function uniqueRule(column: string, contract: ColumnContract, rows: string): Rule {
  const name = sqlName(column);
  return {
    name: `unique:${column}`,
    action: contract.onFail,
    broken: `((${name} IN (SELECT ${name} FROM ${rows} WHERE ${name} IS NOT NULL GROUP BY ALL HAVING count(*) > 1)) IS TRUE)`,
    reason: `column "${column}" has this value more than once`,
    code: 'contract-broken',
  };
}

async function hasTwice(duck: Duck, rows: string, columns: readonly string[]): Promise<boolean> {
  const names = columns.map(sqlName);
  const there = names.map((name) => `${name} IS NOT NULL`).join(' AND ');
  const found = await duck.rows(`SELECT 1 AS n FROM ${rows} WHERE ${there} GROUP BY ${names.join(', ')} HAVING count(*) > 1 LIMIT 1`);
  return found.length > 0;
}

/** A merge needs keys that are there and tell rows apart; a warning would not do. */
async function keyRules(duck: Duck, spec: Table, fields: readonly DeltaField[], rows: string): Promise<Rule[]> {
  const keys = mergeKeys(spec.mode);
  const missing = keys.find((key) => !fields.some((field) => field.name === key));
  if (missing !== undefined)
    throw new RejectedError('missing-column', `${spec.sql}: its result has no column "${missing}", a key of table "${spec.name}". ${MEND}`);
  if (keys.length === 0) return [];
  const names = keys.map(sqlName);
  const action: RuleAction = keys.some((key) => spec.columns?.[key]?.onFail === 'quarantine') ? 'quarantine' : 'fail';
  const isNull = names.map((name) => `${name} IS NULL`).join(' OR ');
  const list = names.join(', ');
  const key = `{${names.map((name, n) => `'k${n}': ${name}`).join(', ')}}`;
  const rules: Rule[] = [
    { name: 'key-required', action, broken: `(${isNull})`, reason: `the key (${keys.join(', ')}) is null`, code: 'contract-broken' },
  ];
  if (await hasTwice(duck, rows, keys))
    rules.push({
      name: 'key-unique',
      action,
      broken: `((${key} IN (SELECT ${key} FROM ${rows} WHERE NOT (${isNull}) GROUP BY ${list} HAVING count(*) > 1)) IS TRUE)`,
      reason: `the key (${keys.join(', ')}) occurs more than once`,
      code: 'contract-broken',
    });
  return rules;
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
