// Parameters between JSON and text: what a placeholder becomes in a command line, and what an output file means.
// As the launcher does it: numbers plain, lists and structs as JSON (facts/kubeflow.md §2).
import type { ParameterInput, ParameterType } from '../ir/types.ts';
import type { Json } from '../protojson.ts';

/** Text of a value in a command line. */
export const toText = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** Reads the content of a parameter's output file. Throws an `Error` that names what was expected. */
export function fromText(text: string, type: ParameterType): Json {
  const trimmed = text.trim();
  switch (type) {
    case 'STRING':
    case 'TASK_FINAL_STATUS':
      return text;
    case 'NUMBER_DOUBLE':
    case 'NUMBER_INTEGER': {
      const number = Number(trimmed);
      if (trimmed === '' || !Number.isFinite(number)) throw new Error(`"${trimmed.slice(0, 80)}" is not a number`);
      return number;
    }
    case 'BOOLEAN':
      if (!/^(true|false)$/i.test(trimmed)) throw new Error(`"${trimmed.slice(0, 80)}" is not true or false`);
      return trimmed.toLowerCase() === 'true';
    case 'LIST':
    case 'STRUCT': {
      const json = JSON.parse(trimmed) as Json;
      if (typeof json !== 'object' || json === null || Array.isArray(json) !== (type === 'LIST')) throw new Error(`it is not a ${type}`);
      return json;
    }
  }
}

/** Whether a value has the type that the pipeline declares; `null` where it has not, in the words of the service. */
export function typeProblem(name: string, value: Json, type: ParameterType): string | null {
  const isStruct = typeof value === 'object' && value !== null && !Array.isArray(value);
  switch (type) {
    case 'NUMBER_DOUBLE':
    case 'NUMBER_INTEGER':
      return typeof value === 'number'
        ? null
        : `input parameter ${name} requires type double or integer, but the parameter value is not of number value type`;
    case 'STRING':
      return typeof value === 'string'
        ? null
        : `input parameter ${name} requires type string, but the input parameter is not of string value type`;
    case 'BOOLEAN':
      return typeof value === 'boolean'
        ? null
        : `input parameter ${name} requires type bool, but the input parameter is not of bool value type`;
    case 'LIST':
      return Array.isArray(value) ? null : `input parameter ${name} requires type list, but the input parameter is not of list value type`;
    case 'STRUCT':
      return isStruct ? null : `input parameter ${name} requires type struct, but the input parameter is not of struct value type`;
    case 'TASK_FINAL_STATUS':
      return `input parameter ${name} requires type TASK_FINAL_STATUS, which is invalid for root component`;
  }
}

/** What an optional parameter without value and default becomes. */
export function zeroOf(type: ParameterType): Json {
  const zeros: Record<ParameterType, Json> = {
    NUMBER_DOUBLE: 0,
    NUMBER_INTEGER: 0,
    STRING: '',
    BOOLEAN: false,
    LIST: [],
    STRUCT: {},
    TASK_FINAL_STATUS: '',
  };
  return zeros[type];
}

/** Fills in defaults: given value, else default, else (optional) nothing. */
export function withDefaults(declared: Record<string, ParameterInput> | undefined, given: Record<string, Json>): Record<string, Json> {
  const filled = Object.entries(declared ?? {}).flatMap(([name, parameter]): [string, Json][] => {
    if (Object.hasOwn(given, name)) return [[name, given[name] ?? null]];
    return parameter.defaultValue === undefined ? [] : [[name, parameter.defaultValue]];
  });
  return Object.fromEntries(filled);
}
