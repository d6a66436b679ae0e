// The OpenAPI 3.1 document of the HTTP API, made from the table of operations.
import * as z from 'zod';
import { LedgerEntry } from './events.ts';
import { Freeze } from './guards.ts';
import { Explanation, operations, Problem, RegisteredPipeline, RunSummary, type Operation } from './http-api.ts';
import type { Json } from './identifiers.ts';
import { PipelineBundle, PipelineVersion } from './pipeline.ts';
import { QuarantineCase, Resolved } from './quarantine.ts';
import { ModelVersion, Promotion, Run, ServingEntry } from './runs.ts';

type JsonObject = { [key: string]: Json };

/** Schemas with a name of their own in the document; the rest is written where it is used. */
const NAMED = {
  Explanation,
  Freeze,
  LedgerEntry,
  ModelVersion,
  PipelineBundle,
  PipelineVersion,
  Problem,
  Promotion,
  QuarantineCase,
  RegisteredPipeline,
  Resolved,
  Run,
  RunSummary,
  ServingEntry,
};

const ROLE_MEANING: Record<Operation['access'], string> = {
  anonymous: 'Needs no token.',
  anyone: 'Needs a token.',
  reader: 'Needs the role reader.',
  operator: 'Needs the role operator.',
  approver: 'Needs the role approver.',
  admin: 'Needs the role admin.',
};

export function openApiDocument(): JsonObject & { openapi: string } {
  const schemas = componentSchemas();
  const paths: JsonObject = {};
  for (const [name, operation] of Object.entries<Operation>(operations)) {
    const path = `/${operation.path}`;
    const others = (paths[path] ?? {}) as JsonObject;
    paths[path] = { ...others, [operation.method.toLowerCase()]: operationObject(name, operation, schemas) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Sluice',
      version: 'v1',
      description:
        'Control plane for machine learning pipelines. A role in a token may be narrowed: role[:pipeline][@environment]; admin holds all roles, operator and approver hold reader.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/api/v1' }],
    security: [{ entra: [] }],
    paths,
    components: {
      securitySchemes: {
        entra: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'Access token of Microsoft Entra ID' },
      },
      schemas: schemas.all,
    },
  };
}

interface Schemas {
  all: JsonObject;
  /** A reference for a named schema, the schema itself for another. */
  of(schema: z.ZodType, io: 'input' | 'output'): JsonObject;
}

function componentSchemas(): Schemas {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(NAMED)) registry.add(schema, { id });
  const uri = (id: string) => `#/components/schemas/${id}`;
  const made = z.toJSONSchema(registry, { uri, io: 'output' });
  const all = Object.fromEntries(Object.entries(made.schemas).map(([id, schema]) => [id, plain(schema)]));
  return {
    all,
    of(schema, io) {
      const id = registry.get(schema)?.id;
      if (id !== undefined) return { $ref: uri(id) };
      return plain(inlined(schema, io, registry, uri));
    },
  };
}

/** A schema whose named parts are references: it joins the registry under a name that is thrown away again. */
function inlined(
  schema: z.ZodType,
  io: 'input' | 'output',
  registry: z.core.$ZodRegistry<{ id: string }>,
  uri: (id: string) => string,
): unknown {
  const both = z.registry<{ id: string }>();
  for (const named of Object.values(NAMED)) both.add(named, { id: registry.get(named)?.id ?? '' });
  both.add(schema, { id: 'itself' });
  return z.toJSONSchema(both, { uri, io }).schemas['itself'];
}

/** Without the members that zod adds for documents of their own. */
function plain(schema: unknown): JsonObject {
  const { $schema: _schema, $id: _id, id: _plainId, ...rest } = JSON.parse(JSON.stringify(schema)) as JsonObject;
  return rest;
}

function operationObject(name: string, operation: Operation, schemas: Schemas): JsonObject {
  const { summary, access, body, upload, answer, statuses, idempotencyKey } = operation;
  const content = (schema: JsonObject, type = 'application/json') => ({ [type]: { schema } });
  const answers = Object.entries(statuses).map(([status, description]) => [
    status,
    { description, content: content(schemas.of(answer, 'output')) },
  ]);
  const problem = {
    description: 'A problem document (RFC 9457)',
    content: content({ $ref: '#/components/schemas/Problem' }, 'application/problem+json'),
  };
  return {
    operationId: name,
    summary,
    description: ROLE_MEANING[access],
    tags: [operation.path.split('/')[0] ?? ''],
    ...(access === 'anonymous' ? { security: [] } : {}),
    parameters: [
      ...parameters(operation.params, 'path', schemas),
      ...parameters(operation.query, 'query', schemas),
      ...(idempotencyKey ? [idempotencyHeader()] : []),
    ],
    ...(body === null ? {} : { requestBody: { required: true, content: content(schemas.of(body, 'input')) } }),
    ...(upload === null ? {} : { requestBody: { required: false, ...file(upload.maxBytes) } }),
    responses: { ...(Object.fromEntries(answers) as JsonObject), default: problem },
  };
}

function file(maxBytes: number): JsonObject {
  const description = `A file of at most ${maxBytes} bytes, as it is`;
  return { description, content: { 'application/octet-stream': { schema: {} } } };
}

function parameters(object: z.ZodObject, place: 'path' | 'query', schemas: Schemas): JsonObject[] {
  const whole = schemas.of(object, 'input');
  const required = (whole['required'] ?? []) as string[];
  return Object.entries((whole['properties'] ?? {}) as Record<string, JsonObject>).map(([name, property]) => {
    const { description, ...schema } = property;
    const described = typeof description === 'string' ? { description } : {};
    return { name, in: place, required: place === 'path' || required.includes(name), ...described, schema };
  });
}

function idempotencyHeader(): JsonObject {
  const description = 'A new random value for each request, the same value when one is repeated';
  return {
    name: 'Idempotency-Key',
    in: 'header',
    required: true,
    description,
    schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,200}$' },
  };
}
