// Settings of the hand-over: what they become for the stories, and what is wrong at start instead of in the night.
import { describe, expect, test } from 'vitest';
import { lakeUrl } from '../../functions/lake-work.ts';
import { checkConfig, handOverRule } from '../../functions/ports.ts';
import { loadConfig } from '../../shared/config/config.ts';

const least = {
  Lake__blobServiceUri: 'https://stlake.blob.core.windows.net/',
  LandingEvents__queueServiceUri: 'https://ststate.queue.core.windows.net/',
  State__blobServiceUri: 'https://ststate.blob.core.windows.net/',
  State__tableServiceUri: 'https://ststate.table.core.windows.net/',
  SLUICE_LAKE_ACCOUNT: 'stlake',
  SLUICE_LAKE_CONTAINER: 'lake',
  SLUICE_TOKEN_ISSUER: 'https://issuer.example',
  SLUICE_TOKEN_AUDIENCE: 'api://sluice',
  SLUICE_JWKS_URI: 'https://issuer.example/keys',
};
const factory = {
  DATAFACTORY_SUBSCRIPTION_ID: '00000000-0000-4000-8000-000000000001',
  DATAFACTORY_RESOURCE_GROUP: 'data',
  DATAFACTORY_NAME: 'factory',
};
const image = `registry.example/sluice/refine@sha256:${'a'.repeat(64)}`;

describe('the hand-over', () => {
  test('is told to the stories in bytes, with what refines; nothing without settings', () => {
    const settings = { SLUICE_HANDOVER_MB: '1.5', SLUICE_HANDOVER_TO: 'data-factory', SLUICE_HANDOVER_PIPELINE: 'refine-large' };
    const config = loadConfig({ ...least, ...factory, ...settings });

    checkConfig(config);

    expect(handOverRule(config)).toEqual({ handOver: { aboveBytes: 1_500_000, to: 'data-factory', by: 'refine-large', deadline: '6h' } });
    expect(handOverRule(loadConfig(least))).toEqual({});
  });

  test.each([
    [{ SLUICE_HANDOVER_MB: '1' }, /SLUICE_HANDOVER_TO missing/],
    [{ SLUICE_HANDOVER_MB: '1', SLUICE_HANDOVER_TO: 'spark' }, /SLUICE_HANDOVER_TO/],
    [{ SLUICE_HANDOVER_MB: 'big', SLUICE_HANDOVER_TO: 'databricks' }, /SLUICE_HANDOVER_MB/],
    [
      { SLUICE_HANDOVER_MB: '1', SLUICE_HANDOVER_TO: 'databricks', SLUICE_HANDOVER_IMAGE: 'refine:latest' },
      /SLUICE_HANDOVER_IMAGE.*tags are refused/s,
    ],
    [{ SLUICE_HANDOVER_MB: '1', SLUICE_HANDOVER_TO: 'data-factory' }, /SLUICE_HANDOVER_PIPELINE missing[^]*DATAFACTORY_NAME missing/],
    [{ SLUICE_HANDOVER_MB: '1', SLUICE_HANDOVER_TO: 'databricks', SLUICE_HANDOVER_IMAGE: image }, /DATABRICKS_URL missing/],
  ])('%o does not start', (settings, said) => {
    expect(() => checkConfig(loadConfig({ ...least, ...settings }))).toThrow(said);
  });
});

test.each([
  [{ uri: 'https://stlake.blob.core.windows.net/' }, 'abfss://lake@stlake.dfs.core.windows.net/'],
  [{ uri: 'https://stlake.blob.core.chinacloudapi.cn' }, 'abfss://lake@stlake.dfs.core.chinacloudapi.cn/'],
  [{ connectionString: 'AccountName=a;BlobEndpoint=http://127.0.0.1:10000/a;' }, 'http://127.0.0.1:10000/a/lake/'],
  [{ connectionString: 'UseDevelopmentStorage=true' }, 'abfss://lake@stlake.dfs.core.windows.net/'],
])('the lake is named to engines by what is known of it: %o', (blob, url) => {
  expect(lakeUrl({ blob, account: 'stlake', container: 'lake' })).toBe(url);
});
