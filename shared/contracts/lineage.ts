// OpenLineage run events (spec 2-0-2): which run read and wrote which dataset, with schema, version and quality.
// Source: the OpenLineage specification, OpenLineage.json and the facets named here. Field names and required fields are the specification's.
import * as z from 'zod';

const SPEC = 'https://openlineage.io/spec';
export const PRODUCER = 'https://sluice.invalid/openlineage/1';

/** Where each schema that we use is published: the core, and the facets by their names in an event. */
export const LINEAGE_SCHEMAS = {
  event: `${SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent`,
  parent: `${SPEC}/facets/1-0-1/ParentRunFacet.json#/$defs/ParentRunFacet`,
  errorMessage: `${SPEC}/facets/1-0-0/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet`,
  jobType: `${SPEC}/facets/2-0-3/JobTypeJobFacet.json#/$defs/JobTypeJobFacet`,
  schema: `${SPEC}/facets/1-1-1/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet`,
  version: `${SPEC}/facets/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet`,
  dataQualityMetrics: `${SPEC}/facets/1-0-2/DataQualityMetricsInputDatasetFacet.json#/$defs/DataQualityMetricsInputDatasetFacet`,
  dataQualityAssertions: `${SPEC}/facets/1-0-1/DataQualityAssertionsDatasetFacet.json#/$defs/DataQualityAssertionsDatasetFacet`,
  outputStatistics: `${SPEC}/facets/1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/OutputStatisticsOutputDatasetFacet`,
} as const;

const facet = <Shape extends z.ZodRawShape>(shape: Shape) => z.strictObject({ _producer: z.url(), _schemaURL: z.url(), ...shape });
const job = z.strictObject({ namespace: z.string().min(1), name: z.string().min(1) });

const datasetFacets = z.strictObject({
  schema: facet({ fields: z.array(z.strictObject({ name: z.string(), type: z.string() })) }).optional(),
  version: facet({ datasetVersion: z.string() }).optional(),
});

export const LineageInput = z.strictObject({
  namespace: z.string().min(1),
  name: z.string().min(1),
  facets: datasetFacets.optional(),
  inputFacets: z
    .strictObject({
      dataQualityMetrics: facet({ rowCount: z.number().int(), columnMetrics: z.record(z.string(), z.strictObject({})) }).optional(),
      dataQualityAssertions: facet({
        assertions: z.array(z.strictObject({ assertion: z.string(), success: z.boolean() })),
      }).optional(),
    })
    .optional(),
});
export type LineageInput = z.infer<typeof LineageInput>;

export const LineageOutput = z.strictObject({
  namespace: z.string().min(1),
  name: z.string().min(1),
  facets: datasetFacets.optional(),
  outputFacets: z.strictObject({ outputStatistics: facet({ rowCount: z.number().int() }).optional() }).optional(),
});
export type LineageOutput = z.infer<typeof LineageOutput>;

/** One transition of a run: a START, and one of COMPLETE, FAIL and ABORT. */
export const LineageEvent = z.strictObject({
  eventType: z.enum(['START', 'COMPLETE', 'ABORT', 'FAIL']),
  eventTime: z.iso.datetime(),
  producer: z.url(),
  schemaURL: z.url(),
  run: z.strictObject({
    runId: z.uuid(),
    facets: z.strictObject({
      parent: facet({ run: z.strictObject({ runId: z.uuid() }), job }).optional(),
      errorMessage: facet({ message: z.string(), programmingLanguage: z.string() }).optional(),
      sluice_run: facet({ runId: z.string(), attempt: z.number().int(), contractDigest: z.string() }),
    }),
  }),
  job: job.extend({
    facets: z.strictObject({
      jobType: facet({ processingType: z.literal('BATCH'), integration: z.literal('SLUICE'), jobType: z.literal('JOB') }),
    }),
  }),
  inputs: z.array(LineageInput),
  outputs: z.array(LineageOutput),
});
export type LineageEvent = z.infer<typeof LineageEvent>;
