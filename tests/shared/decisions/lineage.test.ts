// Lineage events of every story and state: they satisfy the OpenLineage schema and our own stricter one, and name what was read and written.
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { LINEAGE_SCHEMAS, LineageEvent, PRODUCER } from '../../../shared/contracts/lineage.ts';
import type { Run } from '../../../shared/contracts/runs.ts';
import { lineageEvent, uuidOf } from '../../../shared/decisions/lineage.ts';
import { digest, runOf, versionOf } from '../../contracts/samples.ts';

const UUID = '^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$';
const text = { type: 'string' };
const uri = { type: 'string', format: 'uri' };
const uuid = { type: 'string', pattern: UUID };
const count = { type: 'integer', minimum: 0 };
const named = {
  required: ['namespace', 'name'],
  properties: { namespace: { type: 'string', minLength: 1 }, name: { type: 'string', minLength: 1 } },
};
/** A facet that bears the address of its own schema, has what it must have, and nothing that its schema does not know. */
const facet = (name: keyof typeof LINEAGE_SCHEMAS, required: string[], properties: object) => ({
  type: 'object',
  required: ['_producer', '_schemaURL', ...required],
  properties: { _producer: { ...uri, const: PRODUCER }, _schemaURL: { ...uri, const: LINEAGE_SCHEMAS[name] }, ...properties },
  additionalProperties: false,
});
const bag = (properties: object) => ({ type: 'object', properties, additionalProperties: false });
const datasetFacets = bag({
  schema: facet('schema', ['fields'], {
    fields: {
      type: 'array',
      items: { type: 'object', required: ['name'], properties: { name: text, type: text, description: text }, additionalProperties: false },
    },
  }),
  version: facet('version', ['datasetVersion'], { datasetVersion: text }),
});
const dataset = (kind: 'inputFacets' | 'outputFacets', facets: object) => ({
  type: 'array',
  items: {
    type: 'object',
    ...named,
    properties: { ...named.properties, facets: datasetFacets, [kind]: facets },
    additionalProperties: false,
  },
});
/**
 * What OpenLineage 2-0-2 asks of a run event, and each facet that we send of itself, restated: required members, formats, the place of
 * each facet (run, job, dataset, input, output). Members that the specification does not know are no violation of it; here they are.
 */
const SPECIFICATION = {
  type: 'object',
  required: ['eventType', 'eventTime', 'producer', 'schemaURL', 'run', 'job'],
  additionalProperties: false,
  properties: {
    eventType: { enum: ['START', 'RUNNING', 'COMPLETE', 'ABORT', 'FAIL', 'OTHER'] },
    eventTime: { type: 'string', format: 'date-time' },
    producer: { ...uri, const: PRODUCER },
    schemaURL: { ...uri, const: LINEAGE_SCHEMAS.event },
    run: {
      type: 'object',
      required: ['runId'],
      additionalProperties: false,
      properties: {
        runId: uuid,
        facets: bag({
          parent: facet('parent', ['run', 'job'], {
            run: { type: 'object', required: ['runId'], properties: { runId: uuid }, additionalProperties: false },
            job: { type: 'object', ...named, additionalProperties: false },
          }),
          errorMessage: facet('errorMessage', ['message', 'programmingLanguage'], {
            message: text,
            programmingLanguage: text,
            stackTrace: text,
          }),
          // Our own: its name begins with the producer's, as the specification asks of custom facets.
          sluice_run: {
            type: 'object',
            required: ['_producer', '_schemaURL'],
            properties: { _producer: { const: PRODUCER }, _schemaURL: { ...uri, pattern: `^${PRODUCER}/` } },
          },
        }),
      },
    },
    job: {
      type: 'object',
      ...named,
      additionalProperties: false,
      properties: {
        ...named.properties,
        facets: bag({
          jobType: facet('jobType', ['processingType', 'integration'], {
            processingType: { enum: ['BATCH', 'STREAMING', 'SERVICE'] },
            integration: text,
            jobType: text,
          }),
        }),
      },
    },
    inputs: dataset(
      'inputFacets',
      bag({
        dataQualityMetrics: facet('dataQualityMetrics', ['columnMetrics'], {
          rowCount: count,
          bytes: count,
          fileCount: count,
          columnMetrics: { type: 'object', additionalProperties: { type: 'object' } },
        }),
        dataQualityAssertions: facet('dataQualityAssertions', ['assertions'], {
          assertions: {
            type: 'array',
            items: {
              type: 'object',
              required: ['assertion', 'success'],
              properties: { assertion: { type: 'string', minLength: 1 }, success: { type: 'boolean' }, column: text },
              additionalProperties: false,
            },
          },
        }),
      }),
    ),
    outputs: dataset('outputFacets', bag({ outputStatistics: facet('outputStatistics', ['rowCount'], { rowCount: count, size: count }) })),
  },
};
const ajv = new Ajv2020({ strict: false, allErrors: true });
ajv.addFormat('uri', (value) => /^[a-z][a-z0-9+.-]*:[^\s<>"{}|\\^`]+$/i.test(value) && URL.canParse(value));
ajv.addFormat(
  'date-time',
  (value) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value) && !Number.isNaN(Date.parse(value)),
);
const bySpecification = ajv.compile(SPECIFICATION);

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
    for (const status of ['running', 'succeeded', 'failed', 'cancelled', 'skipped'] as const) {
      const failure = status === 'failed' ? { code: 'gate-fail', message: 'top1 0.01 is below 0.08' } : null;
      const event = of({
        ...runOf(story, 'lineage', { status, failure }),
        ...(story === 'refine' && status === 'succeeded' ? { refined } : {}),
      });

      expect(bySpecification(event), JSON.stringify(bySpecification.errors)).toBe(true);
      expect(LineageEvent.safeParse(event).error).toBeUndefined();
    }
  });

  test.each<[string, (event: Record<string, unknown>) => unknown]>([
    ['a time that is none', (event) => (event['eventTime'] = '2026-11-22')],
    ['a run that is no UUID', (event) => (event['run'] = { runId: 'refine-x' })],
    ['no producer', (event) => delete event['producer']],
    ['a facet without its schema', (event) => (event['job'] = { namespace: 'n', name: 'j', facets: { jobType: { _producer: PRODUCER } } })],
    ['a facet that is not known', (event) => (event['job'] = { namespace: 'n', name: 'j', facets: { other: {} } })],
    [
      'a facet with the schema of another',
      (event) => {
        const job = event['job'] as { facets: { jobType: { _schemaURL: string } } };
        job.facets.jobType._schemaURL = LINEAGE_SCHEMAS.parent;
      },
    ],
    ['a dataset without a name', (event) => (event['inputs'] = [{ namespace: 'n' }])],
  ])('would be found to have %s', (_, spoil) => {
    const event = structuredClone(of(runOf('refine', 'lineage'))) as unknown as Record<string, unknown>;
    expect(bySpecification(event)).toBe(true);
    spoil(event);

    expect(bySpecification(event)).toBe(false);
  });

  test('tells every rule that was looked at, broken or met', () => {
    const expectation = (name: string) => ({ name, check: 'a > 0', onFail: 'quarantine' as const });
    const { version: looked } = versionOf('ble-location', 'expecting');
    looked.spec.tables.silver.expect = [expectation('signal-in-range'), expectation('cell-is-known')];
    const event = lineageEvent({ ...runOf('refine', 'lineage', { status: 'succeeded' }), refined }, { lake, version: looked, at: AT });

    expect(bySpecification(event), JSON.stringify(bySpecification.errors)).toBe(true);
    expect(event.inputs[0]?.inputFacets?.dataQualityAssertions?.assertions).toEqual([
      { assertion: 'signal-in-range', success: false },
      { assertion: 'cell-is-known', success: true },
    ]);
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
