// A run's record as OpenLineage: what it read and what it wrote. Pure; the same record gives the same event, so a repeat is recognised.
// Dataset names follow the specification's naming: abfss://CONTAINER@ACCOUNT.dfs.core.windows.net and the path below it.
import { LINEAGE_SCHEMAS, type LineageEvent, type LineageInput, type LineageOutput, PRODUCER } from '../contracts/lineage.ts';
import type { PipelineVersion } from '../contracts/pipeline.ts';
import type { Run } from '../contracts/runs.ts';
import type { Commit, Refined } from '../contracts/tables.ts';
import { sha256Hex } from './digest.ts';

export interface LineageContext {
  lake: { account: string; container: string };
  /** The pipeline version of the run; null when it cannot be read any more: then schemas of sources are left out. */
  version: PipelineVersion | null;
  /** The instant of the transition. */
  at: string;
}

const NAMESPACE = 'sluice';

/** The event of a run as it is now; null for a state that OpenLineage has no event for. */
export function lineageEvent(run: Run, context: LineageContext): LineageEvent {
  const parent = run.cause.kind === 'run' ? run.cause.ref : null;
  return {
    eventType: eventType(run),
    eventTime: context.at,
    producer: PRODUCER,
    schemaURL: LINEAGE_SCHEMAS.event,
    run: {
      runId: uuidOf(run.runId),
      facets: {
        ...(parent === null ? {} : { parent: { ...stamp('parent'), run: { runId: uuidOf(parent) }, job: jobOf(parent) ?? job(run) } }),
        ...(run.failure === null
          ? {}
          : {
              errorMessage: {
                ...stamp('errorMessage'),
                message: `${run.failure.code}: ${run.failure.message}`,
                programmingLanguage: 'none',
              },
            }),
        sluice_run: {
          _producer: PRODUCER,
          _schemaURL: `${PRODUCER}/SluiceRunFacet.json`,
          runId: run.runId,
          attempt: run.attempt,
          contractDigest: run.contractDigest,
        },
      },
    },
    job: {
      ...job(run),
      facets: { jobType: { ...stamp('jobType'), processingType: 'BATCH', integration: 'SLUICE', jobType: 'JOB' } },
    },
    inputs: inputsOf(run, context),
    outputs: outputsOf(run, context),
  };
}

/** A UUID (version 8, RFC 9562) from a run id: the same run is the same UUID everywhere. */
export function uuidOf(runId: string): string {
  const hex = sha256Hex(`run/${runId}`);
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function eventType(run: Run): LineageEvent['eventType'] {
  switch (run.status) {
    case 'running':
      return 'START';
    case 'succeeded':
      return 'COMPLETE';
    case 'cancelled':
    case 'skipped':
      return 'ABORT';
    case 'failed':
      return 'FAIL';
  }
}

function job(run: Pick<Run, 'pipeline' | 'story'>): { namespace: string; name: string } {
  return { namespace: NAMESPACE, name: `${run.pipeline}.${run.story}` };
}

/** The job of another run, by its id alone. */
function jobOf(runId: string): { namespace: string; name: string } | null {
  const [, story, pipeline] = /^([a-z]+)-([a-z0-9-]+)-[0-9a-f]{16}-a\d+$/.exec(runId) ?? [];
  return story && pipeline ? { namespace: NAMESPACE, name: `${pipeline}.${story}` } : null;
}

function inputsOf(run: Run, context: LineageContext): LineageInput[] {
  if (run.story === 'refine') return [...landed(run, context), ...(run.refined ? [silverAsInput(run.refined, context)] : [])];
  if (run.trained) {
    const { goldTable, goldVersion } = run.trained;
    return [{ ...table(`gold/${run.pipeline}/${goldTable}/`, context), facets: { version: version(String(goldVersion)) } }];
  }
  if (run.story === 'train') return goldOfInput(run, context);
  return run.promoted ? [{ ...model(run.pipeline), facets: { version: version(run.promoted.modelDigest) } }] : [];
}

function outputsOf(run: Run, context: LineageContext): LineageOutput[] {
  if (run.refined) return [written(run.refined.silver, context), written(run.refined.gold, context)];
  if (run.trained && run.status === 'succeeded') return [{ ...model(run.pipeline), facets: { version: version(run.trained.modelDigest) } }];
  if (run.promoted) {
    const { region, endpoint, modelDigest } = run.promoted;
    return [{ namespace: `sagemaker://${region}`, name: endpoint, facets: { version: version(modelDigest) } }];
  }
  return [];
}

/** The landing folders: the single files are in the ledger; a dataset of thousands is one input. */
function landed(run: Run, { version: pipeline, ...context }: LineageContext): LineageInput[] {
  const sources = pipeline?.spec.sources ?? [];
  return sources.map((source) => ({
    ...table(source.path, { ...context, version: pipeline }),
    facets: {
      schema: { ...stamp('schema'), fields: Object.entries(source.columns).map(([name, type]) => ({ name, type })) },
    },
    ...(run.refined && sources.length === 1 ? { inputFacets: quality(run.refined, pipeline) } : {}),
  }));
}

/** Every rule that was looked at: those that rows broke, and the expectations that all rows met. */
function quality(refined: Refined, pipeline: PipelineVersion | null): NonNullable<LineageInput['inputFacets']> {
  const { silver, gold } = pipeline?.spec.tables ?? {};
  const looked = [...(silver?.expect ?? []), ...(gold?.expect ?? [])].map(({ name }) => name);
  const broken = new Set(refined.findings.filter(({ rows }) => rows > 0).map(({ rule }) => rule));
  const rules = new Set([...looked, ...refined.findings.map(({ rule }) => rule)]);
  return {
    dataQualityMetrics: { ...stamp('dataQualityMetrics'), rowCount: refined.readRows, columnMetrics: {} },
    dataQualityAssertions: {
      ...stamp('dataQualityAssertions'),
      assertions: [...rules].map((assertion) => ({ assertion, success: !broken.has(assertion) })),
    },
  };
}

/** Gold is made of silver, which the same run wrote. */
function silverAsInput({ silver }: Refined, context: LineageContext): LineageInput {
  return { ...table(silver.path, context), facets: facetsOf(silver) };
}

function goldOfInput(run: Run, context: LineageContext): LineageInput[] {
  const { gold } = run.input as { gold?: { path?: unknown; version?: unknown } };
  if (typeof gold?.path !== 'string') return [];
  return [{ ...table(gold.path, context), facets: { version: version(String(gold.version)) } }];
}

function written(commit: Commit, context: LineageContext): LineageOutput {
  return {
    ...table(commit.path, context),
    facets: facetsOf(commit),
    outputFacets: { outputStatistics: { ...stamp('outputStatistics'), rowCount: commit.addedRows } },
  };
}

function facetsOf(commit: Commit): NonNullable<LineageOutput['facets']> {
  return {
    version: version(String(commit.version)),
    ...(commit.columns ? { schema: { ...stamp('schema'), fields: commit.columns } } : {}),
  };
}

function version(datasetVersion: string) {
  return { ...stamp('version'), datasetVersion };
}

function table(path: string, { lake }: LineageContext): { namespace: string; name: string } {
  return { namespace: `abfss://${lake.container}@${lake.account}.dfs.core.windows.net`, name: path.replace(/\/$/, '') };
}

function model(pipeline: string): { namespace: string; name: string } {
  return { namespace: NAMESPACE, name: `models/${pipeline}` };
}

function stamp(name: keyof typeof LINEAGE_SCHEMAS): { _producer: string; _schemaURL: string } {
  return { _producer: PRODUCER, _schemaURL: LINEAGE_SCHEMAS[name] };
}
