// Pipelines and experiments are naturally idempotent: look, create, and on 409 read back (facts/kubeflow.md §1 Idempotency).
import { isDeepStrictEqual } from 'node:util';
import { RejectedError } from '../../errors/errors.ts';
import type { KubeflowHttp } from './http.ts';
import type { CompiledPipeline } from './ir-types.ts';
import { equals, Experiment, ExperimentList, Pipeline, PipelineVersion, PipelineVersionList } from './wire.ts';

/** Which version of which pipeline: what a run must name, since "latest" is a race. */
export interface PinnedVersion {
  pipeline_id: string;
  pipeline_version_id: string;
}

/** `{ namespace }` when there is one; a single-user server wants none. */
function scope(namespace: string): Record<string, string> {
  return namespace === '' ? {} : { namespace };
}

/** The experiment of this name, made when absent. */
export async function ensureExperiment(http: KubeflowHttp, namespace: string, name: string): Promise<string> {
  const look = async () => {
    const query = { ...scope(namespace), page_size: '10', filter: equals('display_name', name) };
    const list = await http.call({ method: 'GET', path: '/experiments', query }, ExperimentList);
    return list?.experiments?.find((experiment) => experiment.display_name === name)?.experiment_id;
  };
  const found = await look();
  if (found) return found;
  const body = { display_name: name, description: 'Jobs submitted by Sluice', ...scope(namespace) };
  const created = await http.call({ method: 'POST', path: '/experiments', body, accept: [409] }, Experiment);
  const id = created?.experiment_id ?? (await look());
  if (id) return id;
  throw new RejectedError(
    'backend-refused',
    `Kubeflow says that experiment "${name}" exists but does not list it: the identity may not read experiments of namespace "${namespace}".`,
  );
}

/** The pipeline version that holds exactly this graph, uploaded when absent. Rejects `pipeline-conflict` when the name holds another graph. */
export async function ensurePipeline(http: KubeflowHttp, namespace: string, compiled: CompiledPipeline): Promise<PinnedVersion> {
  const byName = () =>
    http.call({ method: 'GET', path: `/pipelines/names/${compiled.name}`, query: scope(namespace), accept: [404] }, Pipeline);
  const upload = { name: `${compiled.name}.yaml`, text: compiled.yaml };
  let pipeline = await byName();
  if (!pipeline) {
    const query = { name: compiled.name, display_name: compiled.name, ...scope(namespace) };
    pipeline = await http.call({ method: 'POST', path: '/pipelines/upload', query, upload, accept: [409] }, Pipeline);
    pipeline ??= await byName();
  }
  if (!pipeline) {
    throw new RejectedError('backend-refused', `Kubeflow says that pipeline "${compiled.name}" exists but does not show it by name.`);
  }
  const id = pipeline.pipeline_id;
  let version = await versionOf(http, id, compiled);
  if (!version) {
    // A pipeline without its version: an upload that stopped half-way.
    const query = { pipelineid: id, name: compiled.name, display_name: compiled.name };
    version = await http.call({ method: 'POST', path: '/pipelines/upload_version', query, upload, accept: [409] }, PipelineVersion);
    version ??= await versionOf(http, id, compiled);
  }
  if (!version) throw new RejectedError('backend-refused', `Kubeflow shows no version "${compiled.name}" of the pipeline of this name.`);
  return { pipeline_id: id, pipeline_version_id: version.pipeline_version_id };
}

/** Whether an existing run was made from this graph. */
export async function isGraphOf(
  http: KubeflowHttp,
  reference: { pipeline_id?: string | undefined; pipeline_version_id?: string | undefined },
  compiled: CompiledPipeline,
): Promise<boolean> {
  const { pipeline_id: pipeline, pipeline_version_id: version } = reference;
  if (!pipeline || !version) return false;
  const path = `/pipelines/${encodeURIComponent(pipeline)}/versions/${encodeURIComponent(version)}`;
  const found = await http.call({ method: 'GET', path, accept: [404] }, PipelineVersion);
  return found !== null && isNamed(found, compiled) && hasContent(found, compiled);
}

async function versionOf(http: KubeflowHttp, pipelineId: string, compiled: CompiledPipeline): Promise<PipelineVersion | null> {
  const path = `/pipelines/${encodeURIComponent(pipelineId)}/versions`;
  const query = { page_size: '10', filter: equals('display_name', compiled.name) };
  const list = await http.call({ method: 'GET', path, query }, PipelineVersionList);
  const version = list?.pipeline_versions?.find((candidate) => isNamed(candidate, compiled));
  if (!version) return null;
  if (hasContent(version, compiled)) return version;
  throw new RejectedError(
    'pipeline-conflict',
    `The Kubeflow pipeline "${compiled.name}" holds another graph than its name says: somebody uploaded it under this name. Delete it there.`,
  );
}

/** The name carries the content's hash, so an equal name is an equal graph unless somebody forged it. */
function isNamed(version: PipelineVersion, compiled: CompiledPipeline): boolean {
  return version.display_name === compiled.name || version.name === compiled.name;
}

/**
 * Compares what the server shows of the documents; a server that shows none is believed. With Kubernetes options they are nested; where
 * only the first is shown (older servers), it alone is compared.
 */
function hasContent(version: PipelineVersion, compiled: CompiledPipeline): boolean {
  const shown = version.pipeline_spec;
  if (!shown) return true;
  const nested = shown['pipeline_spec'];
  const spec = (typeof nested === 'object' && nested !== null ? nested : shown) as Record<string, unknown>;
  const platform = shown['platform_spec'];
  if (platform !== undefined && !isDeepStrictEqual(asShown(platform), asShown(compiled.platform))) return false;
  return (['components', 'deploymentSpec', 'root'] as const).every((key) => isDeepStrictEqual(spec[key], compiled.spec[key]));
}

/** Protobuf's JSON writes 64-bit integers as text: numbers and their texts are the same here. */
function asShown(value: unknown): unknown {
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return value.map(asShown);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, asShown(member)]));
}
