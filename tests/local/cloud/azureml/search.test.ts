// The pure parts: search space, median stopping, bindings, addresses, durations, filters.
import { expect, test } from 'vitest';
import type { AzureMlOptions } from '../../../../local/cloud/azureml/azureml-cloud.ts';
import { AzureMlSettings } from '../../../../local/cloud/azureml/settings.ts';
import { durationMs } from '../../../../local/cloud/azureml/durations.ts';
import { fill, shellWord, unbound } from '../../../../local/cloud/azureml/execution/bindings.ts';
import { stopsNow } from '../../../../local/cloud/azureml/execution/early-stopping.ts';
import { LocationError, parseLocation } from '../../../../local/cloud/azureml/execution/locations.ts';
import { gridTrials, randomTrials, readSearchSpace, SearchSpaceError } from '../../../../local/cloud/azureml/execution/search-space.ts';
import { fits, parseFilter } from '../../../../local/cloud/azureml/mlflow/search-filter.ts';

const take = (seed: number, count: number, space: Record<string, unknown>) => {
  const trials = randomTrials(readSearchSpace(space), seed);
  return Array.from({ length: count }, () => trials.next().value as Record<string, number | string>);
};

test('random trials stay within their distributions, and the same seed gives the same', () => {
  const space = {
    u: ['uniform', [2, 3]],
    l: ['loguniform', [-3, -1]],
    q: ['quniform', [0, 10, 2]],
    r: ['randint', [4]],
    n: ['normal', [5, 1]],
    c: ['choice', [['a', 'b', 7]]],
  };
  const trials = take(42, 500, space);

  expect(take(42, 500, space)).toEqual(trials);
  expect(take(43, 3, space)).not.toEqual(trials.slice(0, 3));
  for (const { u, l, q, r } of trials as Record<string, number>[]) {
    expect(u).toBeGreaterThanOrEqual(2);
    expect(u).toBeLessThan(3);
    expect(Math.log(l ?? 0)).toBeGreaterThanOrEqual(-3);
    expect(Math.log(l ?? 0)).toBeLessThanOrEqual(-1);
    expect([0, 2, 4, 6, 8, 10]).toContain(q);
    expect([0, 1, 2, 3]).toContain(r);
  }
  expect(new Set(trials.map(({ c }) => c))).toEqual(new Set(['a', 'b', 7]));
  const mean = trials.reduce((sum, { n }) => sum + Number(n), 0) / trials.length;
  expect(mean).toBeGreaterThan(4.8);
  expect(mean).toBeLessThan(5.2);
});

test('a grid is every combination', () => {
  const space = readSearchSpace({ a: ['choice', [[1, 2]]], b: ['choice', [['x', 'y']]] });

  expect(gridTrials(space)).toEqual([
    { a: 1, b: 'x' },
    { a: 1, b: 'y' },
    { a: 2, b: 'x' },
    { a: 2, b: 'y' },
  ]);
});

test.each([
  [['uniform', [3, 2]]],
  [['uniform', [1]]],
  [['uniform', ['1', 2]]],
  [['choice', ['a', 'b']]],
  [['choice', [[]]]],
  [['choice', [[{ nested: true }]]]],
  [['dirichlet', [1, 2]]],
  [['toString', [1]]],
  ['uniform(1,2)'],
])('%j is not a distribution', (entry) => {
  expect(() => readSearchSpace({ x: entry })).toThrow(SearchSpaceError);
});

test('median stopping compares the best value so far with the median of the running averages', () => {
  const policy = { evaluationInterval: 1, delayEvaluation: 2 };
  const others = [
    [0.5, 0.6, 0.7],
    [0.4, 0.6, 0.8],
    [0.1, 0.2],
  ];
  const decide = (own: number[], goal: 'Maximize' | 'Minimize' = 'Maximize', more = policy) => stopsNow(goal, more, own, [...others, own]);

  // Averages over two intervals: 0.55, 0.5, 0.15 and the trial's own.
  expect(decide([0.2, 0.3])).toBe(true); // best 0.3, median of 0.15, 0.25, 0.5, 0.55 is 0.375
  expect(decide([0.4, 0.2])).toBe(false); // best 0.4, median of 0.15, 0.3, 0.5, 0.55 is 0.4
  expect(decide([0.2])).toBe(false); // too early
  expect(decide([0.9, 0.8], 'Minimize')).toBe(true);
  expect(decide([0.2, 0.3], 'Maximize', { evaluationInterval: 3, delayEvaluation: 0 })).toBe(false); // not this interval
  expect(stopsNow('Maximize', policy, [0.1, 0.1], [[0.1, 0.1]])).toBe(false); // alone
  expect(decide([NaN, NaN])).toBe(true);
});

test('a command is filled in; what is optional goes when its input is missing', () => {
  const bindings = { inputs: { data: '/d', n: '3' }, outputs: { out: '/o' }, search_space: { lr: '0.1' } };

  expect(fill('x ${{inputs.data}} ${{ outputs.out }} ${{search_space.lr}} $[[--n ${{inputs.n}}]] $[[--m ${{inputs.m}}]]', bindings)).toBe(
    'x /d /o 0.1 --n 3 ',
  );
  expect(fill('${{inputs.__proto__}} ${{inputs.toString}}', bindings)).toBe('${{inputs.__proto__}} ${{inputs.toString}}');
  const known = { inputs: ['data'], outputs: [], search_space: [] };
  expect(unbound('${{inputs.data}} ${{inputs.x}} ${{env.y}} $[[${{inputs.z}}]]', known)).toEqual(['inputs.x', 'env.y']);
  expect([shellWord('/a/b-c.d'), shellWord("/a b/it's")]).toEqual(['/a/b-c.d', "'/a b/it'\\''s'"]);
});

const HERE = { subscriptionId: 's', resourceGroup: 'g', workspace: 'w' };

test.each([
  [
    'azureml://subscriptions/s/resourcegroups/G/workspaces/w/datastores/lake/paths/a/b/',
    { kind: 'datastore', datastore: 'lake', path: 'a/b' },
  ],
  [
    'azureml://subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/W/datastores/lake/paths/a',
    { kind: 'datastore', path: 'a' },
  ],
  ['azureml://jobs/j/outputs/model/paths/x', { kind: 'output', job: 'j', output: 'model', path: 'x' }],
  ['runs:/j/model', { kind: 'artifact', origin: 'ExperimentRun', container: 'dcid.j', path: 'model' }],
  ['https://acct.blob.core.windows.net/c/a%20b', { kind: 'blob', account: 'acct', container: 'c', path: 'a b' }],
  ['abfss://c@acct.dfs.core.windows.net/a', { kind: 'blob', account: 'acct', container: 'c', path: 'a' }],
  ['http://127.0.0.1:10000/devstoreaccount1/c/a', { kind: 'blob', account: 'devstoreaccount1', container: 'c', path: 'a' }],
  ['azureml://registries/r/models/m/versions/2', { kind: 'registry', registry: 'r', name: 'm', version: '2' }],
])('%s is a place', (uri, expected) => {
  expect(parseLocation(uri, HERE)).toMatchObject(expected);
});

test.each([
  'azureml://datastores/lake/paths/a',
  'azureml://subscriptions/s/resourcegroups/g/workspaces/other/datastores/lake/paths/a',
  'azureml://jobs/j/outputs/o/paths/../../x',
  'https://acct.blob.core.windows.net/c/%2e%2e/x',
  'https://example.org/data.csv',
  '/etc/passwd',
  'file:///etc/passwd',
])('%s is refused', (uri) => {
  expect(() => parseLocation(uri, HERE)).toThrow(LocationError);
});

test('durations are those of ISO 8601 without calendar', () => {
  expect(['PT2H', 'PT30M', 'P1DT1S', 'PT90S', '2h', 'P', 'PT', 'P1Y', 'PT1.5H'].map(durationMs)).toEqual([
    7_200_000,
    1_800_000,
    86_401_000,
    90_000,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test('filters know comparisons, quotes and lists', () => {
  expect(parseFilter("metrics.mse < 2 and params.`a b` = '0.1' AND tags.\"k/v\" LIKE 'x%' and attributes.status = 'FINISHED'")).toEqual([
    { of: 'metrics', key: 'mse', operator: '<', value: 2 },
    { of: 'params', key: 'a b', operator: '=', value: '0.1' },
    { of: 'tags', key: 'k/v', operator: 'LIKE', value: 'x%' },
    { of: 'attributes', key: 'status', operator: '=', value: 'FINISHED' },
  ]);
  expect(parseFilter("run_id IN ('a', 'b')")).toEqual([{ of: 'attributes', key: 'run_id', operator: 'IN', value: ['a', 'b'] }]);
  expect(parseFilter('')).toEqual([]);
  for (const bad of ['metrics.x', "metrics.x < '1'", "a.b = 'c'", "tags.x = 'a' or tags.y = 'b'", 'params.x = 1', "tags.x ~ 'a'"])
    expect(() => parseFilter(bad), bad).toThrow();
  const [like] = parseFilter("tags.x LIKE 'a_c%'");
  expect(like && [fits('abcd', like), fits('Abcd', like), fits(undefined, like)]).toEqual([true, false, false]);
});

test('settings are options, and a misspelt one is refused', () => {
  const settings = AzureMlSettings.parse({
    subscriptionId: 's',
    resourceGroup: 'g',
    workspaces: [
      { name: 'w', computes: [{ name: 'c', type: 'Kubernetes' }], datastores: [{ name: 'd', accountName: 'a', container: 'c' }] },
    ],
    images: { 'registry.local/': { programs: { python: '/usr/bin/python3' } } },
  });
  const options: Omit<AzureMlOptions, 'issuer' | 'jwksUri' | 'tenant'> = settings;

  expect(options.workspaces[0]?.computes?.[0]?.name).toBe('c');
  expect(AzureMlSettings.safeParse({ ...settings, dellays: {} }).success).toBe(false);
});
