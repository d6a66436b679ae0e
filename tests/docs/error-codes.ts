// Finds the error codes that the product can produce, by reading its syntax trees: what is thrown, returned as a rejection,
// or written as the rule of a verdict. What cannot be told from the source is reported, never skipped silently.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

export interface FoundCode {
  code: string;
  /** Tried again by itself. */
  transient: boolean;
  where: string;
}

export interface Findings {
  codes: FoundCode[];
  /** Places whose code this reader cannot tell. */
  unclear: string[];
}

/** Which argument of a constructor is the code. */
const CONSTRUCTORS: Readonly<Record<string, number>> = { RejectedError: 0, TransientError: 0, UserError: 1, CommandError: 3 };
/** The functions by which shared/decisions/verdict.ts makes verdicts: kind, rule, reason. */
const VERDICTS: ReadonlySet<string> = new Set(['no', 'verdict']);
/** The code that zod gives to issues of a schema's own rules; people see their message, never the code. */
const SCHEMA_CODE = 'custom';
const CODE = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/** All TypeScript files below some folders. */
export function sourceFiles(folders: readonly string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => join(entry.parentPath, entry.name)),
  );
}

export function codesOfFiles(files: readonly string[], expansions: Readonly<Record<string, readonly string[]>>): Findings {
  const all = files.map((file) => codesIn(file, readFileSync(file, 'utf8'), expansions));
  return { codes: all.flatMap(({ codes }) => codes), unclear: all.flatMap(({ unclear }) => unclear) };
}

/**
 * The codes of one source text. `expansions` says which codes a template stands for, by its source, where only types would tell.
 * Passing on the code of another error (`error.code`) makes no new code.
 */
export function codesIn(file: string, text: string, expansions: Readonly<Record<string, readonly string[]>> = {}): Findings {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found: Findings = { codes: [], unclear: [] };

  function take(value: ts.Expression | undefined, transient: boolean): void {
    if (!value) return;
    const where = `${file}:${source.getLineAndCharacterOfPosition(value.getStart()).line + 1}`;
    const values = evaluate(value, source, expansions);
    if (values === null) found.unclear.push(`${where}: ${value.getText().slice(0, 80)}`);
    else found.codes.push(...values.filter((code) => CODE.test(code) && code !== SCHEMA_CODE).map((code) => ({ code, transient, where })));
  }

  function visit(node: ts.Node): void {
    if (ts.isNewExpression(node) && ts.isIdentifier(node.expression)) {
      const name = node.expression.text;
      const argument = Object.hasOwn(CONSTRUCTORS, name) ? CONSTRUCTORS[name] : undefined;
      if (argument !== undefined) take(node.arguments?.[argument], name === 'TransientError');
    } else if (ts.isPropertyAssignment(node) && isNamed(node.name, 'code') && !ts.isObjectLiteralExpression(node.initializer)) {
      // A table by kinds of events has a member of this name, too: what it holds is no code.
      take(node.initializer, false);
    } else if (ts.isPropertyAssignment(node) && isNamed(node.name, 'rule') && hasMember(node.parent, 'kind')) {
      take(node.initializer, false);
    } else if (ts.isParameter(node) && isNamed(node.name, 'code') && node.initializer) {
      take(node.initializer, false);
    } else if (ts.isCallExpression(node) && file.endsWith('verdict.ts') && isVerdict(node)) {
      take(node.arguments[1], false);
    }
    ts.forEachChild(node, visit);
  }
  visit(source);
  return found;
}

/** The texts that an expression can give; [] when it passes something on; null when it cannot be told. */
function evaluate(node: ts.Expression, source: ts.SourceFile, expansions: Readonly<Record<string, readonly string[]>>): string[] | null {
  const each = (parts: readonly ts.Expression[]): string[] | null => {
    const values = parts.map((part) => evaluate(part, source, expansions));
    return values.includes(null) ? null : (values as string[][]).flat();
  };
  if (ts.isStringLiteralLike(node)) return [node.text];
  if (ts.isTemplateExpression(node)) return template(node, source, expansions);
  if (ts.isConditionalExpression(node)) return each([node.whenTrue, node.whenFalse]);
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken) return each([node.left, node.right]);
  if (ts.isParenthesizedExpression(node) || ts.isAsExpression(node)) return evaluate(node.expression, source, expansions);
  if (ts.isElementAccessExpression(node)) {
    const table = ts.isIdentifier(node.expression) ? initializerOf(node.expression.text, source) : undefined;
    return table && ts.isObjectLiteralExpression(table)
      ? each(table.properties.flatMap((member) => (ts.isPropertyAssignment(member) ? [member.initializer] : [])))
      : null;
  }
  if (ts.isIdentifier(node)) {
    if (node.text === 'undefined') return [];
    const literals = literalsOfParameter(node);
    const initializer = literals ? undefined : initializerOf(node.text, source);
    return literals ?? (initializer ? evaluate(initializer, source, expansions) : null);
  }
  // error.code, problem.type?.split(…): what another place has decided. Schemas (z.string()) describe codes, they make none.
  return ts.isPropertyAccessExpression(node) || ts.isCallExpression(node) ? [] : null;
}

function template(
  node: ts.TemplateExpression,
  source: ts.SourceFile,
  expansions: Readonly<Record<string, readonly string[]>>,
): string[] | null {
  const known = Object.hasOwn(expansions, node.getText()) ? expansions[node.getText()] : undefined;
  if (known) return [...known];
  let texts = [node.head.text];
  for (const span of node.templateSpans) {
    const values = evaluate(span.expression, source, expansions);
    if (!values || values.length === 0) return null;
    texts = texts.flatMap((text) => values.map((value) => `${text}${value}${span.literal.text}`));
  }
  return texts;
}

/** The union of literals that a parameter of an enclosing function is declared with. */
function literalsOfParameter(name: ts.Identifier): string[] | undefined {
  for (let node: ts.Node | undefined = name; node; node = node.parent) {
    if (!ts.isFunctionLike(node)) continue;
    const type = node.parameters.find((parameter) => parameter.name.getText() === name.text)?.type;
    if (!type || !ts.isUnionTypeNode(type)) continue;
    const texts = type.types.map((member) =>
      ts.isLiteralTypeNode(member) && ts.isStringLiteral(member.literal) ? member.literal.text : null,
    );
    if (!texts.includes(null)) return texts as string[];
  }
  return undefined;
}

function initializerOf(name: string, source: ts.SourceFile): ts.Expression | undefined {
  let found: ts.Expression | undefined;
  const visit = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && node.name.getText(source) === name) found ??= node.initializer;
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** A call that names its rule; one that hands on a parameter is the inside of such a function. */
const isVerdict = (call: ts.CallExpression): boolean =>
  VERDICTS.has(call.expression.getText()) && call.arguments.length === 3 && call.arguments[1]?.kind !== ts.SyntaxKind.Identifier;

const isNamed = (name: ts.PropertyName | ts.BindingName, wanted: string): boolean =>
  (ts.isIdentifier(name) || ts.isStringLiteral(name)) && name.text === wanted;

const hasMember = (object: ts.Node, wanted: string): boolean =>
  ts.isObjectLiteralExpression(object) && object.properties.some((member) => member.name !== undefined && member.name.getText() === wanted);

/** Codes of the Python components, by Python's own parser. */
export function codesOfComponents(folder: string): Findings {
  const script = 'tests/docs/component_codes.py';
  const text = execFileSync(process.env['SLUICE_PYTHON'] ?? 'python3', [script, folder], { encoding: 'utf8', timeout: 60_000 });
  return JSON.parse(text) as Findings;
}
