// A pipeline whose rows stay on the premises: what its file may say, and what the parts of it that are read elsewhere are told.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { parsePipelineFile } from '../../../shared/contracts/pipeline-file.ts';
import { readsSiteInput, Train } from '../../../shared/contracts/pipeline/train.ts';
import { namesOf, siteProblem } from '../../../shared/decisions/site-files.ts';
import { trainingSteps } from '../../../shared/decisions/training-plan.ts';

interface File {
  data: string;
  sources: Record<string, unknown>[];
  train: Record<string, unknown>;
  tables: { silver: Record<string, unknown> };
  schedule?: unknown;
}

const example = readFileSync(new URL('../../../examples/ble-location/sluice.yaml', import.meta.url), 'utf8');
const steps = (...more: object[]) => ({
  component: undefined,
  steps: [{ name: 'refine', component: 'csv-refine', inputs: { files: 'gold', source: 'source' } }, ...more],
});

function problems(change: (file: File) => void): string[] {
  const file = parse(example) as File;
  change(file);
  const parsed = parsePipelineFile(stringify(file));
  return parsed.ok ? [] : parsed.problems.map(({ line, where, problem }) => `${line > 1} ${where}: ${problem}`);
}

describe('data: on-premises', () => {
  const premises = (train: object, change: (file: File) => void = () => undefined) =>
    problems((file) => {
      file.data = 'on-premises';
      Object.assign(file.train, train);
      file.tables.silver['expect'] = [{ name: 'at-the-site', check: "uri LIKE 'site://%'", onFail: 'fail' }];
      change(file);
    });

  it('trains at the site: one component, or steps that are told of the files and of rows that may leave', () => {
    const train = { name: 'train', component: 'ble-train', inputs: { gold: 'refine', releasable: 'releasable' } };

    expect(premises({})).toEqual([]);
    expect(premises({ ...steps(train), releasable: 'releasable.csv' })).toEqual([]);
  });

  it.each([
    ['another backend', { backend: ['kubeflow', 'azureml'] }, 'true train.backend[1]: "azureml" is not beside the data;'],
    ['this machine', { backend: ['local'] }, 'true train.backend[0]: "local" is not beside the data;'],
    [
      'rows that nobody declared',
      steps({ name: 'train', component: 'ble-train', inputs: { rows: 'releasable' } }),
      'true train.steps[1].inputs.rows: train.releasable names no file',
    ],
    [
      'a step with the name of an input',
      steps({ name: 'source', component: 'ble-train' }),
      'true train.steps[1].name: "source" is an input',
    ],
    ['a releasable file elsewhere', { releasable: '../rows.csv' }, 'true train.releasable: expected a plain file name'],
  ])('refuses %s, with its line', (_what, train, problem) => {
    expect(premises(train)).toEqual([expect.stringContaining(problem) as string]);
  });

  it('refuses what would bring rows into the lake', () => {
    const delta = premises({}, (file) => Object.assign(file.sources[0]!, { format: 'delta' }));
    const two = premises(
      {},
      (file) => void file.sources.push({ ...structuredClone(file.sources[0]), name: 'other', path: 'bronze/other/' }),
    );
    const extract = premises({}, (file) => (file.schedule = { extract: { pipeline: 'copy' } }));

    expect([delta, two, extract].map((found) => found.map((one) => one.replace(/:.*/, '')))).toEqual([
      ['true sources[0].format'],
      ['true sources'],
      ['true schedule.extract'],
    ]);
  });

  it('takes a manifest whole: no part of it is set aside', () => {
    const expect_ = { name: 'small', check: 'bytes < 10', onFail: 'quarantine' };
    const columns = { uri: { onFail: 'quarantine' } };

    expect(premises({}, (file) => Object.assign(file.tables.silver, { expect: [expect_], columns }))).toEqual([
      expect.stringContaining('tables.silver.expect[0].onFail: a manifest is taken whole') as string,
      expect.stringContaining('tables.silver.columns.uri.onFail: a manifest is taken whole') as string,
    ]);
  });

  it('alone has these inputs', () => {
    expect(problems((file) => Object.assign(file.train, steps()))).toEqual([
      expect.stringContaining('train.steps[0].inputs.source: "source" is neither "gold" nor an earlier step') as string,
    ]);
    expect(problems((file) => void (file.train['releasable'] = 'rows.csv'))).toEqual([
      expect.stringContaining('train.releasable: only with data: on-premises') as string,
    ]);
    // A step of that name is a step, as before.
    const own = {
      steps: [
        { name: 'source', component: 'a' },
        { name: 'two', component: 'b', inputs: { rows: 'source' } },
      ],
      component: undefined,
    };
    expect(problems((file) => Object.assign(file.train, own))).toEqual([]);
  });
});

describe('the job', () => {
  const images = { fit: `r/fit@sha256:${'a'.repeat(64)}`, refine: `r/refine@sha256:${'b'.repeat(64)}` };
  const argsOf = (train: object) =>
    trainingSteps({ images }, Train.parse({ backend: ['kubeflow'], ...train })).map(({ args }) => args.slice(0, -4));

  it('gives a step the inputs of the site by their names', () => {
    const graph = [
      { name: 'refine', component: 'refine', inputs: { files: 'gold', contract: 'source' } },
      { name: 'train', component: 'fit', inputs: { gold: 'refine', rows: 'releasable' } },
    ];
    expect(argsOf({ steps: graph, releasable: 'rows.csv' })).toEqual([
      ['--input', { input: 'gold', prefix: 'files=' }, '--input', { input: 'source', prefix: 'contract=' }],
      ['--input', { from: 'refine', output: 'result', prefix: 'gold=' }, '--input', { input: 'releasable', prefix: 'rows=' }],
    ]);
    expect(argsOf({ component: 'fit', releasable: 'rows.csv' })).toEqual([
      ['--input', { input: 'gold', prefix: 'gold=' }, '--input', { input: 'releasable', prefix: 'releasable=' }],
    ]);
  });

  it('says which of them are read at all', () => {
    const train = Train.parse({ backend: ['kubeflow'], component: 'fit', releasable: 'rows.csv' });

    expect([readsSiteInput(train, 'source'), readsSiteInput(train, 'releasable')]).toEqual([false, true]);
    expect(readsSiteInput({}, 'releasable')).toBe(false);
  });

  it('names the files of a site by their last part, each differently and plainly', () => {
    expect(namesOf(['site://ble/a.csv', 'site://other/A.csv', 'file:///data/.hidden', 'https://minio.plant/x/b%20c.csv'])).toEqual([
      'a.csv',
      '2-A.csv',
      'file.hidden',
      'b_20c.csv',
    ]);
  });

  it('goes nowhere else, also where a version of before says so', () => {
    expect(siteProblem('on-premises', 'kubeflow')).toBeNull();
    expect(siteProblem('lake', 'databricks')).toBeNull();
    expect(siteProblem('on-premises', 'databricks')).toContain('not beside them');
  });
});
