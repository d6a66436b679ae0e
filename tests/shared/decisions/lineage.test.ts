// Lineage events of every story and state: they satisfy the OpenLineage schema and our own stricter one, and name what was read and written.
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { LINEAGE_SCHEMAS, LineageEvent } from '../../../shared/contracts/lineage.ts';
import type { Run } from '../../../shared/contracts/runs.ts';
import { lineageEvent, uuidOf } from '../../../shared/decisions/lineage.ts';
import { digest, runOf, versionOf } from '../../contracts/samples.ts';

const UUID = '^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$';
const URI = '^https?://[^ ]+$';
const facets = { type: 'object', additionalProperties: { $ref: '#/$defs/facet' } };
const named = { type: 'object', required: ['namespace', 'name'], properties: { namespace: { type: 'string' }, name: { type: 'string' } } };
/** What the core schema of OpenLineage 2-0-2 asks of a run event, and what the facets that we send ask of themselves, restated. */
const SPECIFICATION = {
  $defs: {
    facet: {
      type: 'object',
      required: ['_producer', '_schemaURL'],
      properties: { _producer: { type: 'string', pattern: URI }, _schemaURL: { type: 'string', pattern: URI } },
    },
  },
  type: 'object',
  required: ['eventTime', 'producer', 'schemaURL', 'run', 'job'],
  properties: {
    eventType: { enum: ['START', 'RUNNING', 'COMPLETE', 'ABORT', 'FAIL', 'OTHER'] },
    eventTime: { type: 'string', pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?Z$' },
    producer: { type: 'string', pattern: URI },
    schemaURL: { type: 'string', pattern: URI },
    run: {
      type: 'object',
      required: ['runId'],
      properties: {
        runId: { type: 'string', pattern: UUID },
        facets: {
          ...facets,
          properties: {
            parent: { required: ['run', 'job'], properties: { run: { required: ['runId'] }, job: named } },
            errorMessage: { required: ['message', 'programmingLanguage'] },
          },
        },
      },
    },
    job: { ...named, properties: { facets: { ...facets, properties: { jobType: { required: ['processingType', 'integration'] } } } } },
    inputs: {
      type: 'array',
      items: {
        ...named,
        properties: {
          facets: { ...facets, properties: { schema: { properties: { fields: { items: { required: ['name'] } } } } } },
          inputFacets: {
            ...facets,
            properties: {
              dataQualityMetrics: { required: ['columnMetrics'] },
              dataQualityAssertions: {
                required: ['assertions'],
                properties: { assertions: { items: { required: ['assertion', 'success'] } } },
              },
            },
          },
        },
      },
    },
    outputs: {
      type: 'array',
      items: {
        ...named,
        properties: {
          facets: { ...facets, properties: { version: { required: ['datasetVersion'] } } },
          outputFacets: { ...facets, properties: { outputStatistics: { required: ['rowCount'] } } },
        },
      },
    },
  },
};
const bySpecification = new Ajv2020({ strict: false }).compile(SPECIFICATION);

const lake = { account: 'lakeaccount', container: 'lake' };
const AT = '2026-11-22T10:00:00.000Z';
const { version } = versionOf('ble-location', 'lineage');
const of = (run: Run) => lineageEvent(run, { lake, version, at: AT });

const commit = (layer: 'silver' | 'gold', more = {}) => ({
  layer,
  table: 'readings',
  path: `${layer}/ble-location/readings/`,
  version: 3,
  rows: 10,
  addedRows: 4,
  digest: digest(layer),
  ...more,
});
const refined = {
  silver: commit('silver', { columns: [{ name: 'b1', type: 'long' }] }),
  gold: commit('gold'),
  readRows: 12,
  quarantinedRows: 2,
  findings: [{ rule: 'signal-in-range', action: 'quarantine' as const, rows: 2, lines: [4, 9] }],
};

describe('a run as lineage', () => {
  test.each(['refine', 'train', 'promote'] as const)('of %s satisfies the specification in every state', (story) => {
    for (const status of ['running', 'succeeded', 'failed', 'cancelled'] as const) {
      const failure = status === 'failed' ? { code: 'gate-fail', message: 'top1 0.01 is below 0.08' } : null;
      const event = of({
        ...runOf(story, 'lineage', { status, failure }),
        ...(story === 'refine' && status === 'succeeded' ? { refined } : {}),
      });

      expect(bySpecification(event), JSON.stringify(bySpecification.errors)).toBe(true);
      expect(LineageEvent.safeParse(event).error).toBeUndefined();
    }
  });

  test('names what refining read and wrote, with schema, version and quality', () => {
    const event = of({ ...runOf('refine', 'lineage', { status: 'succeeded' }), refined });

    expect(event.eventType).toBe('COMPLETE');
    expect(event.inputs[0]).toMatchObject({
      namespace: 'abfss://lake@lakeaccount.dfs.core.windows.net',
      name: 'bronze/x',
      facets: { schema: { fields: [{ name: 'a', type: 'integer' }] } },
      inputFacets: {
        dataQualityMetrics: { rowCount: 12 },
        dataQualityAssertions: { assertions: [{ assertion: 'signal-in-range', success: false }] },
      },
    });
    expect(event.outputs).toMatchObject([
      { name: 'silver/ble-location/readings', facets: { version: { datasetVersion: '3' }, schema: { fields: [{ name: 'b1' }] } } },
      { name: 'gold/ble-location/readings', outputFacets: { outputStatistics: { rowCount: 4 } } },
    ]);
  });

  test('links a run to the one that opened it', () => {
    const parent = runOf('refine', 'lineage');
    const event = of({ ...runOf('train', 'lineage'), cause: { kind: 'run', ref: parent.runId } });

    expect(event.run.facets.parent).toMatchObject({
      run: { runId: uuidOf(parent.runId) },
      job: { namespace: 'sluice', name: 'ble-location.refine' },
    });
  });

  test('without its pipeline version says nothing of the sources', () => {
    expect(
      lineageEvent({ ...runOf('refine', 'lineage'), refined }, { lake, version: null, at: AT }).inputs.map(({ name }) => name),
    ).toEqual(['silver/ble-location/readings']);
  });

  test('names schemas that are versions, not branches', () => {
    for (const url of Object.values(LINEAGE_SCHEMAS)) expect(url).toMatch(/^https:\/\/openlineage\.io\/spec\/(facets\/)?\d+-\d+-\d+\//);
  });

  test('gives each run one UUID of version 8', () => {
    expect(uuidOf('a')).toMatch(new RegExp(UUID));
    expect(uuidOf('a')).toBe(uuidOf('a'));
    expect(uuidOf('a')).not.toBe(uuidOf('b'));
  });
});
