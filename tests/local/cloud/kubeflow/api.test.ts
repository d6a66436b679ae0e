// The v2beta1 API as a caller sees it: what is read strictly, how it answers, which code each mistake gets.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { serve, type CloudServer } from '../../../../local/cloud/kit/server.ts';
import { createKubeflowCloud, type KubeflowCloud } from '../../../../local/cloud/kubeflow/kubeflow-cloud.ts';
import { createClient, type Body, type Client } from './client.ts';
import { pipeline, single, yaml } from './sample-pipeline.ts';

const ID = '0b9d1c1e-0000-5000-8000-000000000001';
const LATER = '0b9d1c1e-0000-5000-8000-000000000002';

let cloud: KubeflowCloud;
let server: CloudServer;
let client: Client;

beforeEach(async () => {
  cloud = createKubeflowCloud({
    dataDir: mkdtempSync(join(tmpdir(), 'kubeflow-')),
    images: { 'registry.local/': { programs: { node: process.execPath } } },
  });
  server = await serve((request) => cloud.fetch(request));
  client = createClient(server.url);
});
afterEach(async () => {
  await server.close();
  await cloud.close();
});

interface Reference {
  pipeline_id: string;
  pipeline_version_id: string;
}

async function uploaded(name = 'sample', spec: object = pipeline()): Promise<Reference> {
  const { body } = await client.upload(name, yaml(spec));
  const { body: versions } = await client.call('GET', `/pipelines/${String(body['pipeline_id'])}/versions`);
  const [version] = versions['pipeline_versions'] as Reference[];
  return { pipeline_id: version?.pipeline_id ?? '', pipeline_version_id: version?.pipeline_version_id ?? '' };
}

const create = (body: object) => client.call('POST', '/runs', { display_name: 'r', ...body });

describe('pipelines', () => {
  test('are uploaded once per name and read back by name, with their first version', async () => {
    const first = await client.upload('train-1a2b', yaml(pipeline()), '&description=d&tags={"team":"x"}');
    const second = await client.upload('train-1a2b', yaml(pipeline()));
    const byName = await client.call('GET', '/pipelines/names/train-1a2b');
    const versions = await client.call('GET', `/pipelines/${String(first.body['pipeline_id'])}/versions`);

    expect(first).toMatchObject({
      status: 200,
      body: { name: 'train-1a2b', display_name: 'train-1a2b', description: 'd', tags: { team: 'x' } },
    });
    expect(first.body['created_at']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(second).toEqual({
      status: 409,
      body: { error_message: expect.any(String) as string, error_details: expect.any(String) as string },
    });
    expect(byName.body).toEqual(first.body);
    expect(versions.body).toMatchObject({
      total_size: 1,
      pipeline_versions: [{ name: 'train-1a2b', pipeline_spec: { pipelineInfo: { name: 'sample' } } }],
    });
  });

  test('get further versions, each name once', async () => {
    const { pipeline_id } = await uploaded();
    const upload = async () => {
      const form = new FormData();
      form.set('uploadfile', new Blob([yaml(single('0'))]), 'p.yaml');
      return (
        await fetch(`${server.url}/apis/v2beta1/pipelines/upload_version?name=v2&pipelineid=${pipeline_id}`, { method: 'POST', body: form })
      ).status;
    };

    expect([await upload(), await upload()]).toEqual([200, 409]);
    expect((await client.call('GET', `/pipelines/${pipeline_id}/versions?sort_by=name`)).body).toMatchObject({
      pipeline_versions: [{ name: 'sample' }, { name: 'v2' }],
    });
  });

  test('are deleted when their versions are', async () => {
    const { pipeline_id, pipeline_version_id } = await uploaded();

    expect((await client.call('DELETE', `/pipelines/${pipeline_id}`)).status).toBe(400);
    expect((await client.call('DELETE', `/pipelines/${pipeline_id}/versions/${pipeline_version_id}`)).status).toBe(200);
    expect((await client.call('DELETE', `/pipelines/${pipeline_id}`)).status).toBe(200);
    expect((await client.call('GET', `/pipelines/${pipeline_id}`)).status).toBe(404);
  });

  test('from an address are refused', async () => {
    const { pipeline_id } = await uploaded();

    const answer = await client.call('POST', `/pipelines/${pipeline_id}/versions`, { package_url: { pipeline_url: 'https://x/y.yaml' } });

    expect(answer).toMatchObject({ status: 400, body: { code: 3 } });
  });

  test('that are not a multipart file are refused', async () => {
    const answer = await fetch(`${server.url}/apis/v2beta1/pipelines/upload?name=x`, { method: 'POST', body: 'pipelineInfo: {}' });

    expect([answer.status, await answer.json()]).toEqual([
      400,
      { error_message: 'Failed to read pipeline from file', error_details: 'Failed to read pipeline from file' },
    ]);
  });

  test('that are too large are refused before they are held', async () => {
    expect((await client.upload('big', '#'.repeat(33 * 1_048_576))).status).toBe(413);
  });
});

describe('a run', () => {
  test('has the id that the caller chose; a second POST with it is 500 and starts nothing', async () => {
    const reference = await uploaded();
    const body = { run_id: ID, pipeline_version_reference: reference, runtime_config: { parameters: { n: 1 } } };

    const first = await create(body);
    const second = await create(body);

    expect(first).toMatchObject({
      status: 200,
      body: { run_id: ID, state: 'PENDING', storage_state: 'AVAILABLE', pipeline_version_reference: reference },
    });
    expect(second).toMatchObject({ status: 500, body: { code: 13, error: expect.stringContaining('Duplicate entry') as string } });
    expect((await client.call('GET', '/runs')).body['total_size']).toBe(1);
    await cloud.settled(ID);
  });

  test('can bring its pipeline and platform settings with it, in camelCase too', async () => {
    const platform = {
      platforms: { kubernetes: { deploymentSpec: { executors: { 'exec-only': { nodeSelector: { labels: { intelvm: 'sgx' } } } } } } },
    };
    const { body, status } = await client.call('POST', '/runs', {
      displayName: 'inline',
      pipelineSpec: { pipeline_spec: single('0'), platform_spec: platform },
    });

    expect(status).toBe(200);
    expect(await client.until(body.run_id ?? '', 'SUCCEEDED', 'FAILED')).toMatchObject({
      state: 'SUCCEEDED',
      pipeline_spec: { platform_spec: platform },
    });
  });

  test.each([
    ['an unknown field', { colour: 'red' }, /unknown field "colour" in Run/],
    ['an unknown field inside', { runtime_config: { parameters: { n: 1 }, retries: 3 } }, /unknown field "retries" in Run\.runtime_config/],
    ['a field of the wrong type', { description: 7 }, /Run\.description: expected a string/],
    ['a field given twice', { display_name: 'a', displayName: 'b' }, /duplicate field "displayName"/],
    ['two sources', { pipeline_spec: {} }, /only one of/],
    ['a number as text', { runtime_config: { parameters: { n: '1' } } }, /input parameter n requires type double or integer/],
    ['a missing parameter', { runtime_config: { parameters: {} } }, /parameter n is not optional/],
    ['an extra parameter', { runtime_config: { parameters: { n: 1, m: 2 } } }, /not required by pipeline: m/],
    ['text where a list of steps was', { runtime_config: { parameters: { n: 1, note: 5 } } }, /input parameter note requires type string/],
    ['an id that is no UUID', { run_id: '../../etc' }, /must be a lower-case UUID/],
    [
      'a root that no launcher writes to',
      { runtime_config: { parameters: { n: 1 }, pipeline_root: 'https://x.blob.core.windows.net/c' } },
      /must start with minio/,
    ],
    ['no name', { display_name: '' }, /run name is empty/],
  ])('with %s is refused with 400', async (_, change, message) => {
    const reference = await uploaded();
    const answer = await create({ pipeline_version_reference: reference, runtime_config: { parameters: { n: 1 } }, ...change });

    expect(answer).toMatchObject({
      status: 400,
      body: { code: 3, details: [{ '@type': 'type.googleapis.com/google.rpc.Status', code: 3 }] },
    });
    expect(answer.body['message']).toMatch(message);
    expect(answer.body.error).toBe(answer.body['message']);
    expect((await client.call('GET', '/runs')).body).toEqual({});
  });

  test('of a version that is not there is 500, as the server wraps it', async () => {
    expect(await create({ pipeline_version_reference: { pipeline_id: ID, pipeline_version_id: LATER } })).toMatchObject({
      status: 500,
      body: { code: 13, error: expect.stringContaining('error fetching manifest') as string },
    });
  });

  test.each([
    ['that is not JSON', '{"display_name": '],
    ['that is a list', '[]'],
    ['that is larger than the server takes', `{"description": "${'x'.repeat(9 * 1_048_576)}"}`],
  ])('with a body %s is 400', async (_, body) => {
    expect((await client.call('POST', '/runs', body)).status).toBe(400);
  });

  test('with prototype keys cannot reach anything', async () => {
    const reference = await uploaded();

    const answer = await client.call(
      'POST',
      '/runs',
      `{"display_name":"r","pipeline_version_reference":${JSON.stringify(reference)},"runtime_config":{"parameters":{"n":1,"__proto__":{"x":1}}}}`,
    );

    expect(answer).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining('not required by pipeline: __proto__') as string },
    });
  });

  test('puts macros into text parameters', async () => {
    const reference = await uploaded();

    const { body } = await create({
      run_id: ID,
      pipeline_version_reference: reference,
      runtime_config: { parameters: { n: 1, note: 'run-[[RunUUID]]-[[Other]]' } },
    });

    expect(body['runtime_config']).toEqual({ parameters: { n: 1, note: `run-${ID}-[[Other]]` } });
    await cloud.settled(ID);
  });

  test('that does not exist is 404, for every verb', async () => {
    for (const [method, suffix] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', ':terminate'],
      ['POST', ':retry'],
      ['POST', ':archive'],
    ] as const) {
      expect(await client.call(method, `/runs/${ID}${suffix}`)).toMatchObject({ status: 404, body: { code: 5 } });
    }
    expect((await fetch(`${server.url}/apis/v1alpha1/runs/${ID}/nodes/x/log`)).status).toBe(404);
  });
});

describe('lists', () => {
  async function runs(count: number): Promise<void> {
    const reference = await uploaded('s', single('0'));
    for (let index = 0; index < count; index += 1) {
      const run_id = `0b9d1c1e-0000-5000-8000-00000000000${index}`;
      await create({ display_name: `run-${index}`, run_id, pipeline_version_reference: reference });
      await cloud.settled(run_id);
    }
  }
  const names = ({ runs: items = [] }: Body & { runs?: { display_name: string }[] }) => items.map(({ display_name }) => display_name);
  const filtered = (predicates: object[]) => client.call('GET', `/runs?filter=${encodeURIComponent(JSON.stringify({ predicates }))}`);

  test('come in pages whose token keeps order and filter', async () => {
    await runs(5);

    const first = (await client.call('GET', '/runs?page_size=2&sort_by=run_id%20desc')).body;
    const second = (await client.call('GET', `/runs?page_size=2&page_token=${encodeURIComponent(String(first['next_page_token']))}`)).body;
    const third = (await client.call('GET', `/runs?page_size=2&page_token=${encodeURIComponent(String(second['next_page_token']))}`)).body;

    expect([first, second, third].flatMap(names)).toEqual(['run-4', 'run-3', 'run-2', 'run-1', 'run-0']);
    expect(first['total_size']).toBe(5);
    expect(third['next_page_token']).toBeUndefined();
    const other = await client.call('GET', `/runs?sort_by=display_name&page_token=${encodeURIComponent(String(first['next_page_token']))}`);
    expect(other).toMatchObject({ status: 400, body: { error: expect.stringContaining('page token does not match') as string } });
  });

  test('are filtered by name, state and time', async () => {
    await runs(3);

    expect(names((await filtered([{ operation: 'EQUALS', key: 'display_name', string_value: 'run-1' }])).body)).toEqual(['run-1']);
    expect(names((await filtered([{ operation: 'IN', key: 'display_name', stringValues: { values: ['run-0', 'run-2'] } }])).body)).toEqual([
      'run-0',
      'run-2',
    ]);
    expect(
      names(
        (
          await filtered([
            { operation: 'IS_SUBSTRING', key: 'name', string_value: 'run' },
            { operation: 'NOT_EQUALS', key: 'name', string_value: 'run-0' },
          ])
        ).body,
      ),
    ).toEqual(['run-1', 'run-2']);
    expect(
      names((await filtered([{ operation: 'GREATER_THAN', key: 'created_at', timestamp_value: '2099-01-01T00:00:00Z' }])).body),
    ).toEqual([]);
    expect(names((await filtered([{ operation: 'EQUALS', key: 'state', string_value: 'SUCCEEDED' }])).body)).toHaveLength(3);
  });

  test.each([
    ['an unknown key', [{ operation: 'EQUALS', key: 'constructor', string_value: 'x' }]],
    ['an unknown operation', [{ operation: 'LIKE', key: 'name', string_value: 'x' }]],
    ['no value', [{ operation: 'EQUALS', key: 'name' }]],
    ['two values', [{ operation: 'EQUALS', key: 'name', string_value: 'x', int_value: 1 }]],
  ])('refuse a filter with %s', async (_, predicates) => {
    expect((await filtered(predicates)).status).toBe(400);
  });

  test.each(['page_size=-1', 'page_size=many', 'page_token=abc', 'sort_by=colour', 'sort_by=name%20up', 'filter=%7B'])(
    'refuse %s',
    async (query) => {
      expect((await client.call('GET', `/runs?${query}`)).status).toBe(400);
    },
  );

  test('decode a filter twice, as the server does', async () => {
    const reference = await uploaded('s', single('0'));
    await create({ display_name: 'a+b', run_id: ID, pipeline_version_reference: reference });
    await cloud.settled(ID);

    expect(names((await filtered([{ operation: 'EQUALS', key: 'name', string_value: 'a+b' }])).body)).toEqual([]);
    expect(names((await filtered([{ operation: 'EQUALS', key: 'name', string_value: 'a%2Bb' }])).body)).toEqual(['a+b']);
  });
});

test('experiments are unique by name, hold runs, and can be archived', async () => {
  const first = await client.call('POST', '/experiments', { display_name: 'ble' });
  const again = await client.call('POST', '/experiments', { display_name: 'ble' });
  const id = String(first.body['experiment_id']);
  const reference = await uploaded('s', single('0'));
  await create({ run_id: ID, experiment_id: id, pipeline_version_reference: reference });
  await create({ run_id: LATER, pipeline_version_reference: reference });
  await Promise.all([cloud.settled(ID), cloud.settled(LATER)]);
  await client.call('POST', `/experiments/${id}:archive`);

  expect(again).toMatchObject({ status: 409, body: { code: 6 } });
  expect((await client.call('GET', `/runs?experiment_id=${id}`)).body).toMatchObject({ total_size: 1, runs: [{ run_id: ID }] });
  expect((await client.call('GET', '/experiments?sort_by=name')).body).toMatchObject({
    experiments: [{ display_name: 'Default' }, { display_name: 'ble', storage_state: 'ARCHIVED' }],
  });
  expect((await create({ experiment_id: LATER, pipeline_version_reference: reference })).status).toBe(404);
});

test('planned failures go by the name of the call', async () => {
  const reference = await uploaded('s', single('0'));
  cloud.faults.add({ match: { operation: 'CreateRun' }, action: 'reset-after' });

  await expect(create({ run_id: ID, pipeline_version_reference: reference })).rejects.toThrow();

  expect((await client.call('GET', `/runs/${ID}`)).status).toBe(200);
  await cloud.settled(ID);
});

test('a route that does not exist is the gateway’s 404', async () => {
  expect(await client.call('GET', '/artifacts')).toEqual({ status: 404, body: { code: 5, message: 'Not Found', details: [] } });
  expect((await client.call('GET', '/runs/%E0%A4%A')).status).toBe(404);
});
