// Asking an endpoint from the command line: files of every shape that users have, by the endpoint's name or its pipeline's, over the real handlers.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Prediction } from '../../shared/contracts/serving.ts';
import { readRowsFile } from '../../cli/rows-file.ts';
import { minute, servingOf } from '../contracts/samples.ts';
import { servedApi } from './served-api.ts';

const EXAMPLE = new URL('../../examples/diabetes/request.json', import.meta.url).pathname;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-invoke-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function fileOf(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

describe('a file of rows', () => {
  const loans = [
    [24, 'RENT', null],
    [30, 'OWN', 14.27],
  ];
  const named = [
    { age: 24, home: 'RENT', rate: null },
    { age: 30, home: 'OWN', rate: 14.27 },
  ];

  test.each([
    ['lists in JSON', 'a.json', JSON.stringify(loans), loans],
    ['objects in JSON', 'b.json', JSON.stringify(named), named],
    ['a request of Azure ML', 'c.json', JSON.stringify({ data: loans }), loans],
    ['a request of SageMaker and KServe', 'd.json', JSON.stringify({ instances: named }), named],
    ['ours, with true and false', 'e.json', '{"rows":[[true,false]]}', [[true, false]]],
    ['CSV', 'f.csv', '24,RENT,\n30,OWN,14.27\n', loans],
    ['CSV under names, quoted, from another system', 'g.CSV', '\ufeffage,"home",rate\r\n24,"RENT",\r\n30,OWN,14.27\r\n', named],
    [
      'CSV of texts alone, where nothing tells names from values',
      'h.csv',
      'a,b\nc,d\n',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    ['CSV with what only looks like a number', 'i.csv', '1_0,nan,-2e3\n', [['1_0', 'nan', -2000]]],
  ])('%s', async (_case, name, text, rows) => {
    expect(await readRowsFile(await fileOf(name, text))).toEqual(rows);
  });

  test.each([
    ['no JSON', 'j.json', '[[1,', /is not JSON/],
    ['nothing', 'k.json', '[]', /holds no rows/],
    ['no rows', 'l.json', '{"table":[]}', /holds no rows/],
    ['a row that is none', 'm.json', '[[1],3]', /row 2 is no row: expected a list of values/],
    ['a row in a row', 'n.json', '[[[1]]]', /row 1 is no row/],
    ['lines of different lengths', 'o.csv', '1,2\n3\n', /is not CSV/],
  ])('with %s is wrong use', async (_case, name, text, message) => {
    await expect(readRowsFile(await fileOf(name, text))).rejects.toMatchObject({
      message: expect.stringMatching(message) as string,
      exitCode: 2,
    });
  });
});

describe('invoke', () => {
  async function diabetes(predictions: Prediction[]) {
    const seen: unknown[] = [];
    const served = await servedApi();
    served.deps.platform.invoke = async (place, rows) => {
      seen.push(place, rows);
      return predictions;
    };
    for (const name of ['diabetes', 'credit-risk']) {
      const endpoint = `sagemaker/eu-central-1/${name}-dev`;
      await served.deps.serving.record(servingOf(name, { endpoint, pipeline: name, since: minute(1) }));
    }
    return { ...served, seen };
  }
  const numbers = [235.112391, 246.798704, 163.687813].map((value) => ({ value }));

  test('sends the request of the example to the endpoint of the pipeline and prints three numbers', async () => {
    const { sluice, seen } = await diabetes(numbers);

    const { code, out } = await sluice('invoke', 'diabetes', '--file', EXAMPLE);

    expect(code).toBe(0);
    expect(out.split('\n').slice(0, 5)).toEqual([
      '  row  value',
      '  0    235.1124',
      '  1    246.7987',
      '  2    163.6878',
      '  endpoint       sagemaker/eu-central-1/diabetes-dev',
    ]);
    expect(seen[0]).toEqual({ region: 'eu-central-1', endpoint: 'diabetes-dev' });
    expect(seen[1]).toHaveLength(3);
  });

  test.each(['credit-risk-dev', 'eu-central-1/credit-risk-dev', 'sagemaker/eu-central-1/credit-risk-dev', 'credit-risk'])(
    'of %s prints classes, with their probability where there is one',
    async (name) => {
      const { sluice, seen } = await diabetes([
        { label: 'Default', probability: 0.98765 },
        { label: 'Non-Default', probability: null },
      ]);
      const rows = await fileOf('loans.csv', 'age,home\n24,RENT\n,OWN\n');

      const { out } = await sluice('invoke', name, '--rows', rows);

      expect(out).toContain('  row  prediction   probability\n  0    Default      0.9877\n  1    Non-Default  -\n');
      expect(seen[1]).toEqual([
        { age: 24, home: 'RENT' },
        { age: null, home: 'OWN' },
      ]);
    },
  );

  test('for machines gives the predictions as they are', async () => {
    const { sluice } = await diabetes(numbers);

    expect(JSON.parse((await sluice('invoke', 'diabetes', '--file', EXAMPLE, '--json')).out)).toMatchObject({ predictions: numbers });
  });

  test('needs one file, and an endpoint that serves', async () => {
    const { sluice } = await diabetes(numbers);

    expect(await sluice('invoke', 'diabetes')).toMatchObject({ code: 2, err: expect.stringContaining('one file of rows') as string });
    expect(await sluice('invoke', 'diabetes', '--rows', EXAMPLE, '--file', EXAMPLE)).toMatchObject({ code: 2 });
    expect(await sluice('invoke', 'nowhere', '--rows', EXAMPLE)).toMatchObject({
      code: 4,
      err: expect.stringContaining('sagemaker/eu-central-1/diabetes-dev (diabetes)') as string,
    });
  });
});
