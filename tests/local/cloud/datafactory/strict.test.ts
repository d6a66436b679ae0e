// The stand-in refuses what the service would: bodies that are not the API's, versions, paths; and answers in the API's shapes.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { createDataFactoryCloud, isDataFactoryPath } from '../../../../local/cloud/datafactory/data-factory.ts';

const folder = mkdtempSync(join(tmpdir(), 'adf-strict-'));
const FACTORY = '/subscriptions/S1/resourceGroups/rg/providers/Microsoft.DataFactory/factories/adf';
const cloud = createDataFactoryCloud({
  dataDir: folder,
  subscriptionId: 's1',
  resourceGroup: 'RG',
  factory: 'adf',
  connectionString: 'UseDevelopmentStorage=true',
  authorize: () => Promise.resolve({ oid: 'o' }),
  pipelines: {
    typed: {
      parameters: {
        runKey: { type: 'String' },
        days: { type: 'Int', defaultValue: 3 },
        tables: { type: 'Array', defaultValue: ['a'] },
        password: { type: 'SecureString', defaultValue: 'x' },
      },
      activities: [],
    },
  },
});
afterAll(async () => {
  await cloud.close();
  rmSync(folder, { recursive: true });
});

const VERSION = 'api-version=2018-06-01';
const call = async (method: string, path: string, body?: unknown) => {
  const response = await cloud.fetch(
    new Request(`http://arm${FACTORY}${path}`, {
      method,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    }),
  );
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : (JSON.parse(text) as Record<string, unknown>) };
};
const window = { lastUpdatedAfter: '2000-01-01T00:00:00Z', lastUpdatedBefore: '2100-01-01T00:00:00Z' };

describe('queryPipelineRuns', () => {
  test.each([
    ['no window', {}],
    ['a key it does not know', { ...window, filter: [] }],
    ['an operand it does not know', { ...window, filters: [{ operand: 'Parameters', operator: 'Equals', values: ['x'] }] }],
    ['an operator it does not know', { ...window, filters: [{ operand: 'Status', operator: 'Like', values: ['x'] }] }],
    ['two run groups', { ...window, filters: [{ operand: 'RunGroupId', operator: 'In', values: ['x', 'y'] }] }],
    ['an order it does not know', { ...window, orderBy: [{ orderBy: 'RunStart', order: 'DOWN' }] }],
    ['a token that is none', { ...window, continuationToken: 'x' }],
    ['a list', []],
    ['no JSON', '{'],
  ])('refuses %s', async (_what, body) => {
    expect(await call('POST', `/queryPipelineRuns?${VERSION}`, body)).toMatchObject({
      status: 400,
      body: { error: { code: 'BadRequest' } },
    });
  });
});

describe('queryActivityruns', () => {
  test.each([
    ['no window', {}],
    ['a key it does not know', { ...window, activityName: 'x' }],
    ['a filter, which is not played', { ...window, filters: [{ operand: 'Status', operator: 'Equals', values: ['Failed'] }] }],
    ['a token that is none', { ...window, continuationToken: 'x' }],
  ])('refuses %s', async (_what, body) => {
    const created = await call('POST', `/pipelines/typed/createRun?${VERSION}`, { runKey: 'k' });
    const path = `/pipelineruns/${String(created.body?.['runId'])}/queryActivityruns?${VERSION}`;

    expect(await call('POST', path, body)).toMatchObject({ status: 400, body: { error: { code: 'BadRequest' } } });
    expect(await call('POST', path, window)).toMatchObject({ status: 200, body: { value: [] } });
  });
});

describe('createRun', () => {
  test('keeps parameters as text, and secrets not at all', async () => {
    const { body } = await call('POST', `/pipelines/typed/createRun?${VERSION}`, { runKey: 'k', password: 'SECRET' });
    const run = await call('GET', `/pipelineruns/${String(body?.['runId'])}?${VERSION}`);

    expect(run.body).toMatchObject({
      pipelineName: 'typed',
      parameters: { runKey: 'k', days: '3', tables: '["a"]', password: '**********' },
    });
    expect(JSON.stringify(run.body)).not.toContain('SECRET');
  });

  test.each([
    ['another type', { runKey: 7 }],
    ['a missing value', {}],
    ['an undeclared name', { runKey: 'k', more: 'x' }],
    ['a list', ['x']],
  ])('refuses %s', async (_what, body) => {
    expect(await call('POST', `/pipelines/typed/createRun?${VERSION}`, body)).toMatchObject({ status: 400 });
  });
});

describe('the place', () => {
  test('is compared without regard to case, and must exist', async () => {
    expect(await call('GET', `?${VERSION}`)).toMatchObject({ status: 200, body: { name: 'adf' } });
    expect(await call('GET', `/pipelineruns/x?${VERSION}`)).toMatchObject({ status: 404, body: { error: { code: 'ResourceNotFound' } } });
    expect(await call('GET', '/pipelineruns/x?api-version=2020-01-01')).toMatchObject({ status: 400 });
    expect(await call('DELETE', `/pipelines/typed?${VERSION}`)).toMatchObject({ status: 404 });
  });

  test('is told from Azure ML’s', () => {
    expect(isDataFactoryPath(FACTORY)).toBe(true);
    expect(isDataFactoryPath('/subscriptions/s/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/w')).toBe(false);
  });
});
