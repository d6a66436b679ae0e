// Reads the text of a `sluice.yaml`: the pipeline, or every problem with its line and column. Used by the API and by the CLI before sending.
import { isMap, isScalar, isSeq, LineCounter, parseAllDocuments, visit, type Document, type Node } from 'yaml';
import * as z from 'zod';
import { suggestion } from './did-you-mean.ts';
import { Pipeline } from './pipeline.ts';

/** Line and column count from 1. `where` is the place in words of the file: `gates[0].atLeast`. */
export interface PipelineProblem {
  line: number;
  column: number;
  where: string;
  problem: string;
  mend?: string;
}

export type PipelineFile = { ok: true; pipeline: Pipeline } | { ok: false; problems: PipelineProblem[] };

type Path = readonly PropertyKey[];
/** A problem before its place in the text is known; `atKey` points at the key instead of its value. */
interface Finding {
  path: Path;
  atKey: boolean;
  problem: string;
  mend?: string;
}

const MAX_CHARS = 100_000;

/** Never throws: whatever the text is, the answer is a pipeline or a list of problems in the order of the file. */
export function parsePipelineFile(text: string): PipelineFile {
  if (text.length > MAX_CHARS) return refused(1, 1, `the file has ${text.length} characters`, `${MAX_CHARS} are allowed`);
  const lines = new LineCounter();
  try {
    const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
    const [document, second] = Array.isArray(documents) ? documents : [];
    if (!document?.contents) return refused(1, 1, 'the file is empty', 'begin with: apiVersion: sluice/v1');
    if (second) return refused(...position(lines, second.range[0]), 'a second YAML document begins here', 'one file holds one pipeline');
    const syntax = syntaxProblems(document, lines);
    if (syntax.length > 0) return { ok: false, problems: inOrder(syntax) };
    const parsed = Pipeline.safeParse(document.toJS({ maxAliasCount: 0 }));
    if (parsed.success) return { ok: true, pipeline: parsed.data };
    const findings = told(parsed.error.issues).flatMap((issue) => findingsOf(issue, [], document));
    return { ok: false, problems: inOrder(findings.map((finding) => placed(finding, document, lines))) };
  } catch (error) {
    if (error instanceof RangeError) return refused(1, 1, 'the file is nested too deeply to be read', 'a pipeline has six levels at most');
    throw error;
  }
}

function refused(line: number, column: number, problem: string, mend: string): PipelineFile {
  return { ok: false, problems: [{ line, column, where: 'file', problem, mend }] };
}

/** What YAML allows and a pipeline file does not is a syntax problem too: aliases, tags, and keys that are special in JavaScript. */
function syntaxProblems(document: Document.Parsed, lines: LineCounter): PipelineProblem[] {
  const at = (offset: number, problem: string, mend?: string): PipelineProblem => {
    const [line, column] = position(lines, offset);
    return { line, column, where: 'file', problem, ...(mend === undefined ? {} : { mend }) };
  };
  const problems = [...document.errors, ...document.warnings].map((error) => at(error.pos[0], `not readable as YAML: ${error.message}`));
  visit(document, {
    Alias: (_, alias) => void problems.push(at(alias.range?.[0] ?? 0, 'aliases (*name) are not read here', 'write the value out')),
    Pair: (_, pair) => {
      if (isScalar(pair.key) && pair.key.value === '__proto__') {
        problems.push(at(pair.key.range?.[0] ?? 0, 'the key "__proto__" is not allowed', 'remove it'));
      }
    },
  });
  return problems;
}

/** The schema also measures a value of the wrong type; that it is one says enough. */
function told(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue[] {
  const mistyped = new Set(issues.filter(({ code }) => code === 'invalid_type').map(({ path }) => JSON.stringify(path)));
  return issues.filter(({ code, path }) => !/^too_/.test(code) || !mistyped.has(JSON.stringify(path)));
}

/** One issue of the schema as findings; a union is explained by the alternative that fits best. */
function findingsOf(issue: z.core.$ZodIssue, base: Path, document: Document.Parsed): Finding[] {
  const path = [...base, ...issue.path];
  const at = (problem: string, mend?: string, atKey = false): Finding[] => [
    { path, atKey, problem, ...(mend === undefined ? {} : { mend }) },
  ];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        path: [...path, key],
        atKey: true,
        problem: `unknown key "${key}"`,
        mend: suggestion(key, keysAt(path)),
      }));
    case 'invalid_type':
      if (!document.hasIn(path)) return at(`"${String(path.at(-1))}" is missing`, `add it (${typeName(issue.expected)})`);
      return at(
        `expected ${typeName(issue.expected)}, found ${described(document.getIn(path, true))}`,
        asList(issue.expected, document.getIn(path)),
      );
    case 'invalid_value': {
      if (!document.hasIn(path)) return at(`"${String(path.at(-1))}" is missing`, `add it: ${issue.values.map(String).join(' or ')}`);
      const values = issue.values.map(String);
      return at(`expected ${values.map((value) => `"${value}"`).join(' or ')}`, suggestion(String(document.getIn(path)), values));
    }
    case 'invalid_union': {
      const [best] = issue.errors.toSorted((a, b) => a.length - b.length);
      if (best) return best.flatMap((inner) => findingsOf(inner, path, document));
      return at(document.hasIn(path) ? 'this value is not known here' : `"${String(path.at(-1))}" is missing`, optionsAt(path));
    }
    case 'invalid_key':
      return at(`the key "${String(path.at(-1))}": ${issue.issues[0]?.message ?? 'not allowed'}`, undefined, true);
    default:
      return at(issue.message);
  }
}

/** Where a finding stands in the text; what is missing is reported at the innermost place that exists. */
function placed({ path, atKey, problem, mend }: Finding, document: Document.Parsed, lines: LineCounter): PipelineProblem {
  let place: Place = { key: null, value: document.contents };
  let offset = startOf(place.value) ?? 0;
  for (const step of path) {
    place = inside(place.value, step);
    offset = startOf(place.value) ?? startOf(place.key) ?? offset;
  }
  if (atKey) offset = startOf(place.key) ?? offset;
  const [line, column] = position(lines, offset);
  return { line, column, where: inWords(path), problem, ...(mend === undefined ? {} : { mend }) };
}

interface Place {
  key: Node | null;
  value: Node | null;
}

function inside(node: Node | null, step: PropertyKey): Place {
  if (isSeq(node) && typeof step === 'number') return { key: null, value: (node.items[step] as Node | undefined) ?? null };
  const pair = isMap(node) ? node.items.find(({ key }) => isScalar(key) && key.value === step) : undefined;
  return pair ? { key: pair.key as Node, value: pair.value as Node | null } : { key: null, value: null };
}

function startOf(node: Node | null): number | undefined {
  return node?.range?.[0];
}

function position(lines: LineCounter, offset: number): [line: number, column: number] {
  const { line, col } = lines.linePos(offset);
  return [Math.max(line, 1), Math.max(col, 1)];
}

function inOrder(problems: PipelineProblem[]): PipelineProblem[] {
  return problems.sort((a, b) => a.line - b.line || a.column - b.column);
}

function inWords(path: Path): string {
  const words = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('');
  return words.replace(/^\./, '') || 'file';
}

/** One word where a list is expected is a list of one. */
function asList(expected: string, value: unknown): string | undefined {
  return expected === 'array' && typeof value === 'string' && /^[\w./-]+$/.test(value) ? `write [${value}]` : undefined;
}

/** The schema's type in the words of YAML. */
function typeName(expected: string): string {
  return ({ array: 'list', object: 'mapping', record: 'mapping' } as Record<string, string>)[expected] ?? expected;
}

function described(node: unknown): string {
  if (isMap(node)) return 'a mapping';
  if (isSeq(node)) return 'a list';
  const value = isScalar(node) ? node.value : node;
  if (value === null || value === undefined) return 'nothing';
  return `${typeof value} ${JSON.stringify(value).slice(0, 60)}`;
}

interface JsonSchema {
  properties?: Record<string, JsonSchema>;
  additionalProperties?: JsonSchema | boolean;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  const?: unknown;
  enum?: unknown[];
}

let schema: JsonSchema | undefined;

/** The parts of the schema that describe a place; several where the place is a union. */
function schemasAt(path: Path): JsonSchema[] {
  schema ??= z.toJSONSchema(Pipeline, { io: 'input' }) as JsonSchema;
  let places = alternatives(schema);
  for (const step of path) {
    places = places.flatMap((place) => {
      const next = typeof step === 'number' ? place.items : (place.properties?.[String(step)] ?? place.additionalProperties);
      return typeof next === 'object' ? alternatives(next) : [];
    });
  }
  return places;
}

function alternatives(place: JsonSchema): JsonSchema[] {
  return [place, ...(place.anyOf ?? []).flatMap(alternatives), ...(place.oneOf ?? []).flatMap(alternatives)];
}

function keysAt(path: Path): string[] {
  return [...new Set(schemasAt(path).flatMap((place) => Object.keys(place.properties ?? {})))];
}

function optionsAt(path: Path): string {
  const values = schemasAt(path).flatMap((place) => place.enum ?? (place.const === undefined ? [] : [place.const]));
  return values.length === 0 ? 'see docs/sluice.schema.json' : `known here: ${[...new Set(values)].map(String).join(', ')}`;
}
