// Placeholders in a step's command, arguments and environment: `{{$.inputs.parameters['p']}}` and the like.
// Found when a pipeline is uploaded, so that a wrong one is refused there; filled in when the step starts (facts/kubeflow.md §2).

/** One placeholder. */
export type Placeholder =
  | { kind: 'executor-input' }
  | { kind: 'executor-output-file' }
  | { kind: 'input-parameter' | 'output-parameter-file'; key: string }
  | { kind: 'artifact'; side: 'inputs' | 'outputs'; key: string; field: 'path' | 'uri' | 'name' }
  | { kind: 'artifact-metadata'; side: 'inputs' | 'outputs'; key: string; name: string }
  | { kind: 'job'; field: JobField };

const JOB_FIELDS = [
  'pipeline_job_uuid',
  'pipeline_job_name',
  'pipeline_job_resource_name',
  'pipeline_task_uuid',
  'pipeline_task_name',
  'pipeline_root',
] as const;

/** What a placeholder may ask of the run and the task. */
export type JobField = (typeof JOB_FIELDS)[number];

/** A placeholder that is not known. */
export class PlaceholderError extends Error {
  override readonly name = 'PlaceholderError';
}

const PATTERN = /\{\{\$(.*?)\}\}/gs;

function parse(inner: string): Placeholder | undefined {
  if (inner === '') return { kind: 'executor-input' };
  if (inner === '.outputs.output_file' || inner === '.outputs.outputFile') return { kind: 'executor-output-file' };
  const parameter = /^\.inputs\.parameters\['([^']+)'\]$/.exec(inner);
  if (parameter?.[1]) return { kind: 'input-parameter', key: parameter[1] };
  const file = /^\.outputs\.parameters\['([^']+)'\]\.(?:output_file|outputFile)$/.exec(inner);
  if (file?.[1]) return { kind: 'output-parameter-file', key: file[1] };
  const artifact = /^\.(inputs|outputs)\.artifacts\['([^']+)'\]\.(?:(path|uri|name)|metadata\['([^']+)'\])$/.exec(inner);
  if (artifact?.[2]) {
    const side = artifact[1] as 'inputs' | 'outputs';
    if (artifact[4]) return { kind: 'artifact-metadata', side, key: artifact[2], name: artifact[4] };
    return { kind: 'artifact', side, key: artifact[2], field: artifact[3] as 'path' | 'uri' | 'name' };
  }
  const field = JOB_FIELDS.find((name) => inner === `.${name}`);
  return field && { kind: 'job', field };
}

/**
 * Replaces every placeholder of a text by what `fill` gives for it.
 * @throws PlaceholderError for a placeholder of unknown form, and for the structural `{"Concat": …}` and `{"IfPresent": …}`, which the
 * stand-in does not expand (stricter than the service).
 */
export function fillPlaceholders(text: string, fill: (placeholder: Placeholder) => string): string {
  if (/^\s*\{\s*"(Concat|IfPresent)"\s*:/.test(text)) {
    throw new PlaceholderError(
      `the structural placeholder ${text.trim().slice(0, 30)}… is not supported by the stand-in (stricter than the service)`,
    );
  }
  return text.replace(PATTERN, (whole, inner: string) => {
    const placeholder = parse(inner);
    if (!placeholder) throw new PlaceholderError(`unknown placeholder ${whole.slice(0, 120)}`);
    return fill(placeholder);
  });
}
