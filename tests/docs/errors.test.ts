// docs/errors.md against the source: every code that can be produced is explained, and nothing is explained that does not exist.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { GateResult } from '../../shared/contracts/runs.ts';
import { isTerminal, JobState } from '../../shared/contracts/training.ts';
import { codesIn, codesOfComponents, codesOfFiles, type Findings, sourceFiles } from './error-codes.ts';

const FOLDERS = ['shared', 'functions', 'orchestrations', 'cli'];

/** Templates whose values only types tell, by their source. */
const EXPANSIONS = {
  '`job-${state.state}`': JobState.shape.state.options
    .filter((state) => isTerminal(state) && state !== 'succeeded')
    .map((state) => `job-${state}`),
  '`gate-${verdict.result}`': GateResult.shape.result.options.filter((result) => result !== 'pass').map((result) => `gate-${result}`),
  '`http-${response.status}`': ['http-nnn'],
};

interface Row {
  code: string;
  cells: string[];
  line: number;
}

function documented(): Row[] {
  return readFileSync('docs/errors.md', 'utf8')
    .split('\n')
    .flatMap((text, index) => {
      if (!text.startsWith('|') || /^\| (Code|---) \|/.test(text)) return [];
      const cells = text.split('|').slice(1, -1);
      const [, anchor, code] = /^ <a id="([^"]+)"><\/a>`([^`]+)` $/.exec(cells[0] ?? '') ?? [];
      expect([code, cells.length], `line ${index + 1} of docs/errors.md is no row of three cells with an anchor`).toEqual([anchor, 3]);
      return [{ code: code ?? '', cells: cells.map((cell) => cell.trim()), line: index + 1 }];
    });
}

function produced(): Findings {
  const typed = codesOfFiles(sourceFiles(FOLDERS), EXPANSIONS);
  const components = codesOfComponents('components');
  return { codes: [...typed.codes, ...components.codes], unclear: [...typed.unclear, ...components.unclear] };
}

describe('docs/errors.md', () => {
  const { codes, unclear } = produced();
  const rows = documented();

  test('can be compared: the code of every error can be told from the source', () => {
    expect(unclear).toEqual([]);
  });

  test('explains every code that can be produced', () => {
    const known = new Set(rows.map(({ code }) => code));
    const missing = codes.filter(({ code }) => !known.has(code)).map(({ code, where }) => `${code} (${where})`);
    expect(missing, 'add a row with cause and cure for each').toEqual([]);
  });

  test('explains no code that is not produced any more', () => {
    const real = new Set(codes.map(({ code }) => code));
    const obsolete = rows.filter(({ code }) => !real.has(code)).map(({ code, line }) => `${code} (line ${line})`);
    expect(obsolete, 'remove these rows, or correct their spelling').toEqual([]);
  });

  test('has one anchor per code, and links that lead to one', () => {
    const anchors = rows.map(({ code }) => code);
    expect(anchors.filter((code, index) => anchors.indexOf(code) !== index)).toEqual([]);
    const text = readFileSync('docs/errors.md', 'utf8');
    const headings = [...text.matchAll(/^## (.+)$/gm)].map(([, title = '']) => title.toLowerCase().replaceAll(' ', '-'));
    const links = [...text.matchAll(/\]\(#([^)]+)\)/g)].map(([, target]) => target);
    expect(links.length).toBeGreaterThan(0);
    for (const link of links) expect([...anchors, ...headings]).toContain(link);
  });

  test('says cause and cure of each', () => {
    const poor = rows.filter(({ cells }) => (cells[1] ?? '').length < 10 || (cells[2] ?? '').length < 5).map(({ code }) => code);
    expect(poor).toEqual([]);
  });

  test('marks exactly those that are tried again by themselves', () => {
    const marked = rows.filter(({ cells }) => cells[1]?.endsWith('↻')).map(({ code }) => code);
    const transient = [...new Set(codes.filter((code) => code.transient).map(({ code }) => code))];
    expect(marked.sort()).toEqual(transient.sort());
  });
});

describe('the reader of codes', () => {
  const codesOf = (text: string, file = 'x.ts'): string[] => codesIn(file, text).codes.map(({ code }) => code);

  test.each([
    ['a literal', "throw new RejectedError('a-b', 'why')", ['a-b']],
    ['an error of a request', "throw new UserError(404, 'a-b', 'why')", ['a-b']],
    ['both ways of a condition', "new TransientError(late ? 'a' : 'b', 'why')", ['a', 'b']],
    ['a table', "const T = { X: 'a', Y: 'b' }; const one = has(T) ? T[name] : undefined; new TransientError(one, 'why')", ['a', 'b']],
    ['a parameter of literals', "function f(part: 'p' | 'q') { throw new UserError(400, `${part}-x`, '') }", ['p-x', 'q-x']],
    ['a rejection', "throw new ActivityRejected({ code: 'a-b', message })", ['a-b']],
    ['a default', "class C { constructor(readonly code = 'a-b') {} }", ['a-b']],
    ['the rule of a verdict', "const v = { kind: 'refused', rule: 'a-b', reason }", ['a-b']],
  ])('understands %s', (_what, text, expected) => {
    expect(codesOf(text)).toEqual(expected);
  });

  test('takes the calls of the verdict decision, and only those', () => {
    expect(codesOf("no('refused', 'a-b', why)", 'shared/decisions/verdict.ts')).toEqual(['a-b']);
    expect(codesOf("no('refused', 'a-b', why)")).toEqual([]);
  });

  test('passes over codes that are handed on, and says where it cannot tell', () => {
    expect(codesIn('x.ts', 'new UserError(409, error.code, why)')).toEqual({ codes: [], unclear: [] });
    expect(codesIn('x.ts', 'new RejectedError(made + up, why)').unclear).toEqual(['x.ts:1: made + up']);
    expect(codesIn('x.ts', 'new RejectedError(`x-${y.z}`, why)').unclear).toEqual(['x.ts:1: `x-${y.z}`']);
  });
});
