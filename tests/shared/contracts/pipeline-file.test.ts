// A pipeline file is read whole, or every problem is named with line, column and mend.
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { nearest } from '../../../shared/contracts/did-you-mean.ts';
import { parsePipelineFile, type PipelineProblem } from '../../../shared/contracts/pipeline-file.ts';

let example = '';
beforeAll(async () => {
  example = await readFile(new URL('../../../examples/ble-location/sluice.yaml', import.meta.url), 'utf8');
});

function problemsOf(text: string): PipelineProblem[] {
  const parsed = parsePipelineFile(text);
  return parsed.ok ? [] : parsed.problems;
}

/** The example with one text replaced, which must be there. */
function changed(from: string, to: string): string {
  expect(example).toContain(from);
  return example.replace(from, to);
}

/** Line (from 1) of the first line that holds the text. */
const lineOf = (text: string, part: string) => text.split('\n').findIndex((line) => line.includes(part)) + 1;

it('reads the example and fills in defaults', () => {
  const parsed = parsePipelineFile(example);

  expect(parsed).toMatchObject({ ok: true, pipeline: { pipeline: 'ble-location', tables: { gold: { expect: [] } } } });
});

describe('names line, column, place and mend of', () => {
  it('an unknown key', () => {
    const text = changed('memoryGiB: 2', 'memoryGib: 2');

    expect(problemsOf(text)).toEqual([
      {
        line: lineOf(text, 'memoryGib'),
        column: 3,
        where: 'train.memoryGib',
        problem: 'unknown key "memoryGib"',
        mend: 'did you mean "memoryGiB"?',
      },
    ]);
  });

  it('an unknown key inside a union', () => {
    const text = changed('  - metric: meanErrorCells\n    atMost: 3.5', '  - metric: meanErrorCells\n    atMots: 3.5');

    expect(problemsOf(text)).toContainEqual({
      line: lineOf(text, 'atMots'),
      column: 5,
      where: 'gates[3].atMots',
      problem: 'unknown key "atMots"',
      mend: 'did you mean "atMost"?',
    });
  });

  it('a missing key, at the place that should hold it', () => {
    const text = changed('        region: eu-central-1\n', '');

    expect(problemsOf(text)).toEqual([
      {
        line: lineOf(text, '- name: indoor-location'),
        column: 9,
        where: 'environments.dev.targets[0].region',
        problem: '"region" is missing',
        mend: 'add it (string)',
      },
    ]);
  });

  it('a missing gate list', () => {
    const text = example.replace(/gates:\n( {2}.*\n)+/, '');

    expect(problemsOf(text)).toEqual([{ line: 2, column: 1, where: 'gates', problem: '"gates" is missing', mend: 'add it (list)' }]);
  });

  it('a value of the wrong type', () => {
    const text = changed('cpu: 1', 'cpu: one');

    expect(problemsOf(text)).toEqual([
      { line: lineOf(text, 'cpu: one'), column: 8, where: 'train.cpu', problem: 'expected number, found string "one"' },
    ]);
  });

  it('one word where a list belongs, once and with the list', () => {
    const text = changed('backend: [kubeflow]', 'backend: local');

    expect(problemsOf(text)).toMatchObject([
      { where: 'train.backend', problem: 'expected list, found string "local"', mend: 'write [local]' },
    ]);
  });

  it('a value outside its set', () => {
    const text = changed('badRows: fail', 'badRows: quarantin');

    expect(problemsOf(text)[0]).toMatchObject({ where: 'sources[0].badRows', mend: 'did you mean "quarantine"?' });
  });

  it('a platform that is not known', () => {
    const text = changed('platform: sagemaker', 'platform: sagemakr');

    expect(problemsOf(text)[0]).toMatchObject({
      line: lineOf(text, 'sagemakr'),
      where: 'environments.dev.targets[0].platform',
      mend: 'known here: sagemaker',
    });
  });

  it('a name that is not allowed, in value and in key', () => {
    expect(problemsOf(changed('pipeline: ble-location', 'pipeline: Ble_Location'))[0]).toMatchObject({
      line: 3,
      column: 11,
      where: 'pipeline',
    });
    const key = changed('  dev:\n', '  Dev!:\n');
    expect(problemsOf(key)[0]).toMatchObject({ line: lineOf(key, 'Dev!'), column: 3, where: 'environments.Dev!' });
  });

  it('approval: none outside development', () => {
    const text = changed('development: true', 'development: false');

    expect(problemsOf(text)).toEqual([
      expect.objectContaining({
        line: lineOf(text, 'approval:'),
        where: 'environments.dev.approval',
        problem: expect.stringContaining('development') as string,
      }),
    ]);
  });

  it('a path that climbs out', () => {
    expect(problemsOf(changed('path: bronze/ble-location/', 'path: bronze/../secret/'))[0]).toMatchObject({ where: 'sources[0].path' });
  });

  it('several problems at once, in the order of the file', () => {
    const text = changed('data: lake', 'data: cloud').replace('cpu: 1', 'cpu: 0').replace('metric: top1', 'metrik: top1');

    const found = problemsOf(text);

    expect(found.length).toBeGreaterThanOrEqual(3);
    expect(found.map(({ line }) => line)).toEqual(found.map(({ line }) => line).toSorted((a, b) => a - b));
  });
});

describe('refuses', () => {
  it.each([
    ['nothing', '', 1],
    ['a comment alone', '# nothing\n', 1],
    ['a list', '- a\n- b\n', 1],
    ['a scalar', 'hello', 1],
    ['two documents', 'a: 1\n---\nb: 2\n', 2],
    ['a tab as indent', 'a:\n\tb: 1\n', 2],
    ['the same key twice', 'apiVersion: sluice/v1\napiVersion: sluice/v1\n', 2],
    ['an alias', 'a: &x 1\nb: *x\n', 2],
    ['a tag that makes objects', 'a: !!js/function "x"\n', 1],
    ['a prototype key', '__proto__:\n  gates: []\n', 1],
    ['an open quote', 'a: "x\n', 2],
  ])('%s', (_, text, line) => {
    const found = problemsOf(text);

    expect(found.length).toBeGreaterThan(0);
    expect(found[0]?.line).toBe(line);
  });

  it('a billion laughs without expanding them', () => {
    const levels = Array.from({ length: 12 }, (_, n) => `l${n + 1}: &l${n + 1} [${Array(9).fill(`*l${n}`).join(', ')}]`);

    expect(problemsOf(['l0: &l0 lol', ...levels].join('\n'))[0]?.problem).toContain('aliases');
  });

  it('a file that is too long, and one that is nested too deeply', () => {
    expect(problemsOf(`#${'x'.repeat(100_000)}`)[0]).toMatchObject({ line: 1, problem: 'the file has 100001 characters' });
    expect(problemsOf('['.repeat(90_000)).length).toBeGreaterThan(0);
    expect(problemsOf(`a: ${'{b: '.repeat(9_000)}1${'}'.repeat(9_000)}`).length).toBeGreaterThan(0);
  });

  it('any text without throwing', () => {
    const pieces = fc.array(
      fc.constantFrom('a', ': ', '\n', '  ', '- ', '{', '}', '[', ']', '"', '&x', '*x', '!!', '|', '#', '---', '\t', '?', '1'),
    );
    fc.assert(
      fc.property(pieces, (parts) => void expect(parsePipelineFile(parts.join('')).ok).toBe(false)),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.string(), (text) => void expect(parsePipelineFile(text).ok).toBe(false)),
      { numRuns: 200 },
    );
  });
});

describe('nearest', () => {
  it.each([
    ['gate', 'gates'],
    ['envrionments', 'environments'],
    ['TRAIN', 'train'],
    ['complet', 'complete'],
  ])('%s is %s', (word, meant) => {
    expect(nearest(word, ['gates', 'environments', 'train', 'complete', 'data'])).toBe(meant);
  });

  it('says nothing when nothing is near', () => {
    expect(nearest('banana', ['gates', 'train'])).toBeNull();
    expect(nearest('x'.repeat(10_000), ['gates'])).toBeNull();
  });
});
