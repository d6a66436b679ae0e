// Parameters of a run: checked against the pipeline's declaration, and kept as the text that the service returns.
import { isRecord } from '../kit/body.ts';
import { FactoryError, type ParameterType, type PipelineDefinition } from './model.ts';

/** Names and values as the run will show them. Refuses what the pipeline does not declare and values of another type. */
export function runParameters(pipeline: string, declared: PipelineDefinition['parameters'] = {}, body: unknown): Record<string, string> {
  if (body !== null && !isRecord(body)) throw invalid(`The body of createRun for '${pipeline}' is not an object of parameters.`);
  const given = body ?? {};
  // The service ignores unknown names; here they are refused, because they are always a mistake (stricter than the service).
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(declared, name)) throw invalid(`The pipeline '${pipeline}' has no parameter '${name.slice(0, 100)}'.`);
  }
  const parameters: Record<string, string> = {};
  for (const [name, { type, defaultValue }] of Object.entries(declared)) {
    const value = Object.hasOwn(given, name) ? given[name] : defaultValue;
    if (value === undefined) throw invalid(`The parameter '${name}' of '${pipeline}' has no value and no default.`);
    if (!fits(type, value)) throw invalid(`The value of '${name}' is not of type ${type}.`);
    parameters[name] = type === 'SecureString' ? '**********' : typeof value === 'string' ? value : JSON.stringify(value);
  }
  return parameters;
}

function fits(type: ParameterType, value: unknown): boolean {
  switch (type) {
    case 'String':
    case 'SecureString':
      return typeof value === 'string';
    case 'Int':
      return Number.isInteger(value);
    case 'Float':
      return typeof value === 'number';
    case 'Bool':
      return typeof value === 'boolean';
    case 'Array':
      return Array.isArray(value);
    case 'Object':
      return isRecord(value);
  }
}

/** Replaces `@{pipeline().parameters.NAME}` and `@{pipeline().RunId}`, the expressions that the stand-in knows. */
export function expand(text: string, run: { runId: string; parameters: Readonly<Record<string, string>> }): string {
  return text.replaceAll(/@\{([^}]*)\}/g, (_, expression: string) => {
    const [, name] = /^pipeline\(\)\.parameters\.([A-Za-z0-9_]+)$/.exec(expression.trim()) ?? [];
    if (name !== undefined && Object.hasOwn(run.parameters, name)) return run.parameters[name] ?? '';
    if (expression.trim() === 'pipeline().RunId') return run.runId;
    throw new FactoryError(400, 'BadRequest', `The expression '${expression.slice(0, 100)}' cannot be evaluated.`);
  });
}

const invalid = (message: string): FactoryError => new FactoryError(400, 'BadRequest', message);
