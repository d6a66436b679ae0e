// Reads an uploaded pipeline: YAML, one PipelineSpec document and at most one platform document, strictly as protojson reads them.
// Then the rules of `pipeline-rules.ts` are checked; a file that passes can be executed.
import { parseAllDocuments } from 'yaml';
import { isObject, ProtoJsonError, readMessage } from '../protojson.ts';
import { checkPipeline } from './pipeline-rules.ts';
import { pipelineSpec } from './pipeline-messages.ts';
import { kubernetesExecutor, platformSpec } from './platform-messages.ts';
import { entry, type Pipeline, type PipelineSpec, type PlatformSpec } from './types.ts';

/** The file is not a pipeline that can be run; the message says where and why. */
export class PipelineFileError extends Error {
  override readonly name = 'PipelineFileError';
}

const invalid = (message: string): never => {
  throw new PipelineFileError(`invalid v2 pipeline spec: ${message}`);
};

/** The same file is read at upload, in lists and for every run; parsing it costs more than all the rest of a call. */
const recent = new Map<string, Pipeline>();
const RECENT = 32;

/** Reads the text of a pipeline file (facts/kubeflow.md §2); the result is shared and not to be changed. Throws `PipelineFileError`. */
export function readPipelineFile(text: string): Pipeline {
  const known = recent.get(text);
  if (known) return known;
  const pipeline = readPipelineDocuments(yamlDocuments(text));
  for (const oldest of [...recent.keys()].slice(0, Math.max(0, recent.size - RECENT + 1))) recent.delete(oldest);
  recent.set(text, pipeline);
  return pipeline;
}

/** Reads documents that are JSON already (an inline `pipeline_spec` of a run). Throws `PipelineFileError`. */
export function readPipelineDocuments(documents: readonly unknown[]): Pipeline {
  try {
    const specs = documents.filter((document) => isObject(document) && ('pipelineInfo' in document || 'pipeline_info' in document));
    const platforms = documents.filter((document) => isObject(document) && 'platforms' in document);
    if (specs.length === 0) return invalid('no pipeline spec is provided');
    if (specs.length > 1) return invalid('multiple pipeline specs provided');
    if (platforms.length > 1) return invalid('multiple platform specs provided');
    if (specs.length + platforms.length < documents.length) return invalid('a document is neither a pipeline spec nor a platform spec');
    const spec = readMessage(pipelineSpec, specs[0], 'pipeline') as PipelineSpec;
    const platform = platforms.length === 1 ? readPlatform(platforms[0]) : undefined;
    const pipeline: Pipeline = { spec, ...(platform ? { platform } : {}) };
    const problem = checkPipeline(pipeline);
    return problem === undefined ? pipeline : invalid(problem);
  } catch (error) {
    if (error instanceof ProtoJsonError) return invalid(error.message);
    throw error;
  }
}

function yamlDocuments(text: string): unknown[] {
  const documents = parseAllDocuments(text, { uniqueKeys: true });
  const read: unknown[] = [];
  for (const document of documents) {
    const problem = document.errors[0];
    if (problem) invalid(`unable to decode yaml document: ${problem.message.split('\n')[0] ?? ''}`);
    try {
      const value: unknown = document.toJS({ maxAliasCount: 50 });
      if (value !== null && value !== undefined) read.push(value);
    } catch (error) {
      invalid(`unable to decode yaml document: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return read;
}

function readPlatform(document: unknown): PlatformSpec {
  const platform = readMessage(platformSpec, document, 'platform') as PlatformSpec;
  const executors = entry(platform.platforms, 'kubernetes')?.deploymentSpec?.executors;
  for (const [label, executor] of Object.entries(executors ?? {})) {
    const path = `platform.platforms['kubernetes'].deploymentSpec.executors['${label}']`;
    Object.assign(executors ?? {}, { [label]: readMessage(kubernetesExecutor, executor, path) });
  }
  return platform;
}
