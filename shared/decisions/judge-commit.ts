// Whether a commit that an engine outside this process made is what the pipeline's file asks for. Its log is all that is looked at:
// columns and types of the schema, numbers of rows, nulls and bounds of the statistics. What those cannot tell, the engine had to judge.
import type { ColumnFacts, ForeignCommit } from '../contracts/hand-over.ts';
import { mergeKeys, type ColumnContract, type Table } from '../contracts/pipeline/table.ts';
import type { RuleFinding } from '../contracts/tables.ts';

export interface JudgedCommit {
  /** Why it is refused; null when nothing speaks against it. */
  refused: { code: string; message: string } | null;
  findings: RuleFinding[];
  /** Rules that statistics cannot decide. */
  unjudged: string[];
}

const MEND =
  'Nothing is trained on it. Mend: take the commit back in the engine (RESTORE), correct what made it, and apply the pipeline again.';
const NO_FACTS: ColumnFacts = { nulls: null, min: null, max: null };

/** Judges one table's commit. Problems are told all together, in the order of the file. */
export function judgeCommit(spec: Table, found: ForeignCommit): JudgedCommit {
  const told = (problems: readonly string[]): string =>
    `${found.commit.path} version ${found.commit.version}: ${problems.slice(0, 10).join('; ')}. ${MEND}`;
  const shape = columnProblems(spec, found);
  if (shape.length > 0) return refusal({ code: 'hand-over-columns', message: told(shape) });
  const rows = rowProblems(spec, found);
  if (rows.length > 0) return refusal({ code: 'hand-over-rows', message: told(rows) });

  const all = Object.entries(spec.columns ?? {}).flatMap(([column, contract]) => judgeColumn(column, contract, found));
  const binding = all.filter(({ action }) => action !== 'warn');
  const broken = binding.filter(({ state }) => state === 'broken').map(({ words }) => words);
  if (broken.length > 0) return refusal({ code: 'hand-over-values', message: told(broken) });
  const unknown = binding.filter(({ state }) => state === 'unknown').map(({ words }) => words);
  if (unknown.length > 0) return refusal({ code: 'hand-over-unjudged', message: told(unknown) });
  return {
    refused: null,
    findings: all
      .filter(({ state }) => state === 'broken')
      .map(({ name, rows: many }) => ({ rule: name, action: 'warn' as const, rows: many, lines: [] })),
    unjudged: [...all.filter(({ state }) => state === 'unknown').map(({ name }) => name), ...untold(spec)],
  };
}

function refusal(refused: NonNullable<JudgedCommit['refused']>): JudgedCommit {
  return { refused, findings: [], unjudged: [] };
}

function columnProblems(spec: Table, { columns }: ForeignCommit): string[] {
  return Object.entries(spec.columns ?? {}).flatMap(([column, { type }]) => {
    const there = columns.find(({ name }) => name === column);
    if (!there) return [`it has no column "${column}", which the contract of table "${spec.name}" names`];
    const same = type === undefined || type.replaceAll(/\s/g, '').toLowerCase() === there.type.replaceAll(/\s/g, '').toLowerCase();
    return same ? [] : [`column "${column}" is ${there.type}, the contract of table "${spec.name}" says ${type}`];
  });
}

/** A merge writes rows anew that it did not change: its additions say nothing of how many rows are too many. */
function rowProblems(spec: Table, { commit: { addedRows } }: ForeignCommit): string[] {
  if (addedRows < spec.minRows) return [`${addedRows} rows were added, at least ${spec.minRows} are needed (rule minRows)`];
  const bounded = spec.maxRows !== undefined && mergeKeys(spec.mode).length === 0;
  return bounded && addedRows > spec.maxRows! ? [`${addedRows} rows were added, at most ${spec.maxRows} are allowed (rule maxRows)`] : [];
}

interface JudgedRule {
  state: 'broken' | 'unknown';
  name: string;
  action: ColumnContract['onFail'];
  words: string;
  rows: number;
}

function judgeColumn(column: string, contract: ColumnContract, { added, commit }: ForeignCommit): JudgedRule[] {
  const facts = Object.hasOwn(added, column) ? added[column]! : NO_FACTS;
  const judged: JudgedRule[] = [];
  const say = (state: JudgedRule['state'], what: string, words: string, rows = 1) =>
    judged.push({ state, name: `${what}:${column}`, action: contract.onFail, words: `column "${column}" ${words}`, rows });
  const { required, min, max } = contract;
  if (required && facts.nulls === null) say('unknown', 'required', 'has no null counts in the statistics of every file');
  else if (required && facts.nulls! > 0) say('broken', 'required', `is null in ${facts.nulls} rows`, facts.nulls!);
  // Without a value there is nothing to be out of bounds.
  if (facts.nulls !== null && facts.nulls >= commit.addedRows) return judged;
  if (min !== undefined) bound(facts.min, (value) => value < min, 'min', `is below ${min}`, say);
  if (max !== undefined) bound(facts.max, (value) => value > max, 'max', `is above ${max}`, say);
  return judged;
}

function bound(
  text: string | null,
  isOut: (value: number) => boolean,
  what: 'min' | 'max',
  words: string,
  say: (state: JudgedRule['state'], what: string, words: string) => void,
): void {
  const value = text === null || text.trim() === '' ? NaN : Number(text);
  if (Number.isNaN(value)) say('unknown', what, `has no ${what === 'min' ? 'smallest' : 'largest'} number in the statistics of every file`);
  else if (isOut(value)) say('broken', what, `${words}: ${text}`);
}

/** Rules that no statistics tell: the manifest names them, and the engine fails where they are broken. */
function untold(spec: Table): string[] {
  const columns = Object.entries(spec.columns ?? {}).flatMap(([column, { unique, values }]) => [
    ...(unique ? [`unique:${column}`] : []),
    ...(values ? [`values:${column}`] : []),
  ]);
  return [...columns, ...spec.expect.map(({ name }) => name)];
}
