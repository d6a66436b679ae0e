// Versions of data, models and environments follow from content; what a registry holds is believed only by its tag.
import { afterEach, describe, expect, it } from 'vitest';
import { type AssetRegistryOptions, createAssetRegistry, modelVersionOf } from '../../../../shared/adapters/azureml/assets.ts';
import { answer, refusal } from '../../clients/arm/scripted.ts';
import { IMAGE, scriptedWorkspace, type ScriptedWorkspace, type Twist, WORKSPACE } from './scripted-workspace.ts';

const opened: ScriptedWorkspace[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});
const REGISTRY = { subscriptionId: '22222222-2222-4333-8444-555555555555', resourceGroup: 'rg-shared', registry: 'models' };
async function over(twist?: Twist, more: Partial<AssetRegistryOptions> = {}) {
  const one = await scriptedWorkspace(twist);
  opened.push(one);
  return {
    one,
    assets: createAssetRegistry({ arm: one.arm, resourceGroup: 'rg', workspace: 'ws', datastore: 'sluice', registry: REGISTRY, ...more }),
  };
}
const GOLD = { table: 'gold_credit', goldVersion: 7, goldDigest: 'b'.repeat(64), path: 'staged/abc', tags: { pipeline: 'credit' } };
const MODEL = { name: 'credit', modelDigest: 'd'.repeat(64), path: 'runs/r1/model.tar.gz' };
const LONG = 'azureml://subscriptions/11111111-2222-4333-8444-555555555555/resourcegroups/rg/workspaces/ws/datastores';

describe('a gold commit', () => {
  it('is one data asset, however often it is registered', async () => {
    const { one, assets } = await over();

    const first = await assets.data(GOLD);

    await expect(assets.data(GOLD)).resolves.toEqual(first);
    expect(first).toEqual({
      name: 'gold_credit',
      version: `7-${'b'.repeat(12)}`,
      id: `${WORKSPACE}/data/gold_credit/versions/7-${'b'.repeat(12)}`,
    });
    expect(one.calls().filter((call) => call.startsWith('PUT'))).toHaveLength(1);
    expect([...one.kept.values()][0]?.properties).toMatchObject({
      dataType: 'uri_folder',
      dataUri: `${LONG}/sluice/paths/staged/abc/`,
      tags: { sha256: 'b'.repeat(64), pipeline: 'credit' },
    });
  });

  it('may lie in another datastore; a table that was made anew is another asset', async () => {
    const { one, assets } = await over();
    await assets.data({ ...GOLD, datastore: 'lake', path: 'gold/credit/' });
    const again = await assets.data({ ...GOLD, goldDigest: 'e'.repeat(64) });

    expect([...one.kept.values()][0]?.properties).toMatchObject({ dataUri: `${LONG}/lake/paths/gold/credit/` });
    expect(again.version).toBe(`7-${'e'.repeat(12)}`);
  });

  it('a version of other content is refused, and a path that leaves the datastore', async () => {
    const { assets } = await over((seen) =>
      seen.path.includes('/data/') ? answer({ properties: { tags: { sha256: 'f'.repeat(64) } } }) : undefined,
    );

    await expect(assets.data(GOLD)).rejects.toMatchObject({
      code: 'asset-conflict',
      message: expect.stringContaining('f'.repeat(64)) as string,
    });
    await expect((await over()).assets.data({ ...GOLD, path: 'a/../../other' })).rejects.toMatchObject({ code: 'backend-refused' });
  });
});

it('a model is one version per digest, with the digest as its tag', async () => {
  const { one, assets } = await over();

  const version = await assets.model(MODEL);

  expect(version).toEqual(await assets.model(MODEL));
  expect(version.version).toBe(modelVersionOf(MODEL.modelDigest));
  expect([...one.kept.values()][0]?.properties).toMatchObject({
    modelType: 'custom_model',
    modelUri: `${LONG}/sluice/paths/runs/r1/model.tar.gz`,
    tags: { sha256: 'd'.repeat(64) },
  });
});

it('an environment is one version per image digest, or the one that is mapped', async () => {
  const { assets } = await over();
  const mapped = (await over(undefined, { environments: { [IMAGE]: `${WORKSPACE}/environments/own/versions/3` } })).assets;

  await expect(assets.environment(IMAGE)).resolves.toMatchObject({
    name: expect.stringMatching(/^sluice-train-[0-9a-f]{8}$/) as string,
    version: '1'.repeat(32),
  });
  await expect(mapped.environment(IMAGE)).resolves.toEqual({ name: 'own', version: '3', id: `${WORKSPACE}/environments/own/versions/3` });
});

describe('publishing', () => {
  const model = { name: 'credit', version: 'm1', modelDigest: 'd'.repeat(64) };
  /** A registry whose copy takes some looks and then has a tag. */
  function registry(tag: string | null, end: Response = answer({ id: 1 }), looks = 2) {
    let asked = 0;
    let there = false;
    const twist: Twist = ({ method, path, body }) => {
      if (path.includes('/registries/'))
        return there
          ? answer({ id: '/in/registry', properties: { tags: tag === null ? {} : { sha256: tag } } })
          : refusal(404, 'UserError', 'not there');
      if (method === 'POST') {
        published.push(body);
        return answer(null, 202, { location: 'LOCATION', 'retry-after': '3' });
      }
      if (path !== '/operations/1') return undefined;
      asked += 1;
      if (asked < looks) return answer(null, 202, { 'retry-after': '3' });
      there = end.status < 300;
      return end.clone();
    };
    const published: unknown[] = [];
    return { twist, published };
  }
  async function start(service: ReturnType<typeof registry>) {
    let url = '';
    const rig = await over((seen, below, number) => {
      const response = service.twist(seen, below, number);
      if (response?.headers.get('location') !== 'LOCATION') return response;
      return answer(null, 202, { location: `${url}/operations/1?api-version=v`, 'retry-after': '3' });
    });
    url = rig.one.url;
    return rig;
  }

  it('is a value that anybody may ask about; at the end the tag is read back', async () => {
    const service = registry('d'.repeat(64));
    const { assets } = await start(service);

    const publication = JSON.parse(JSON.stringify(await assets.publish(model))) as Awaited<ReturnType<typeof assets.publish>>;

    expect(service.published).toEqual([{ registryName: 'models', destinationName: 'credit', destinationVersion: 'm1' }]);
    await expect(assets.poll(publication)).resolves.toEqual({ state: 'running', waitMs: 3_000 });
    await expect(assets.poll(publication)).resolves.toEqual({ state: 'succeeded', id: '/in/registry' });
  });

  it('of a model that the registry has already copies nothing', async () => {
    const service = registry('d'.repeat(64), answer({}), 1);
    const { assets } = await start(service);
    const first = await assets.publish(model);
    await assets.poll(first);

    const second = await assets.publish(model);

    expect(second.operation).toBeNull();
    await expect(assets.poll(second)).resolves.toEqual({ state: 'succeeded', id: '/in/registry' });
    expect(service.published).toHaveLength(1);
  });

  it.each([
    ['another', 'e'.repeat(64)],
    ['no', null],
  ])('that ends with %s digest in the registry is refused', async (_what, tag) => {
    const { assets } = await start(registry(tag, answer({}), 1));
    const publication = await assets.publish(model);

    await expect(assets.poll(publication)).rejects.toMatchObject({
      name: 'RejectedError',
      code: 'registry-mismatch',
      message: expect.stringContaining('d'.repeat(64)) as string,
    });
    await expect(assets.publish(model)).rejects.toMatchObject({ code: 'registry-mismatch' });
  });

  it('that fails says why; without a registry it is refused', async () => {
    const { assets } = await start(registry(null, refusal(409, 'Conflict', 'quota of the registry'), 1));
    const { assets: without } = await over(undefined, { registry: undefined as never });

    await expect(assets.poll(await assets.publish(model))).rejects.toMatchObject({
      code: 'publication-failed',
      message: expect.stringContaining('quota of the registry') as string,
    });
    await expect(without.publish(model)).rejects.toMatchObject({ code: 'registry-unknown' });
  });
});
