// Python types of the run report, made from the contract that reads it: a component's author sees the same shape as Sluice.
import { z } from 'zod';
import { RunReport } from '../shared/contracts/run-report.ts';

type Schema = z.core.JSONSchema.BaseSchema;

/** The module `sluice_protocol.contract`: one TypedDict for each object of the report, named after where it stands. */
export function pythonTypes(): string {
  const classes: string[] = [];
  const report = z.toJSONSchema(RunReport, { io: 'input', target: 'draft-2020-12' }) as Schema;
  typeOf(report, 'RunReport', classes);
  return [
    '"""Shapes of the run report. Made by `npm run schema` from shared/contracts/run-report.ts; do not edit."""',
    '',
    'from typing import Any, Literal, NotRequired, TypedDict',
    ...classes.flatMap((one) => ['', '', one]),
    '',
  ].join('\n');
}

/** The Python type of a schema; objects become classes, the inner before the outer. */
function typeOf(schema: Schema, name: string, classes: string[]): string {
  if (schema.const !== undefined) return `Literal[${literal(schema.const)}]`;
  if (schema.enum) return `Literal[${schema.enum.map(literal).join(', ')}]`;
  // What a union is of has names of its own, by `title`: two classes of one name would be one.
  if (schema.anyOf) return [...new Set(schema.anyOf.map((one) => typeOf(one, one.title ?? name, classes)))].join(' | ');
  switch (schema.type) {
    case 'string':
      return 'str';
    case 'integer':
      return 'int';
    case 'number':
      return 'float';
    case 'boolean':
      return 'bool';
    case 'null':
      return 'None';
    case 'array':
      return `list[${schema.items === undefined ? 'Any' : typeOf(schema.items as Schema, singular(name), classes)}]`;
    case 'object':
      return schema.properties && Object.keys(schema.properties).length > 0 ? classOf(schema, name, classes) : mapOf(schema, name, classes);
    default:
      return 'Any';
  }
}

function classOf(schema: Schema, name: string, classes: string[]): string {
  const required = new Set(schema.required);
  const members = Object.entries(schema.properties ?? {}).map(([key, value]) => {
    const type = typeOf(value as Schema, `${name === 'RunReport' ? '' : name}${capital(key)}`, classes);
    return `    ${key}: ${required.has(key) ? type : `NotRequired[${type}]`}`;
  });
  const text = [`class ${name}(TypedDict):`, ...members].join('\n');
  if (!classes.includes(text)) classes.push(text);
  return name;
}

function mapOf(schema: Schema, name: string, classes: string[]): string {
  const values = schema.additionalProperties;
  return `dict[str, ${typeof values === 'object' ? typeOf(values, singular(name), classes) : 'Any'}]`;
}

const literal = (value: unknown): string => (typeof value === 'string' ? `'${value}'` : String(value));
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const singular = (text: string): string => (text.endsWith('s') && !text.endsWith('ss') ? text.slice(0, -1) : text);
