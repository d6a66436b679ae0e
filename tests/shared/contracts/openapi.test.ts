// The description of the API: its structure holds together, it is the checked-in one, and the pipeline schema accepts the example.
import { readFile } from 'node:fs/promises';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { generatedFiles } from '../../../scripts/schema.ts';
import { openApiDocument } from '../../../shared/contracts/openapi.ts';
import { createApi } from '../../functions/triggers/api/harness.ts';

interface Parameter {
  name: string;
  in: string;
  required: boolean;
  schema: object;
}
interface OperationObject {
  operationId: string;
  parameters: Parameter[];
  requestBody?: { content: Record<string, { schema: object }> };
  responses: Record<string, { description: string; content: Record<string, { schema: object }> }>;
  security?: unknown[];
}
const document = JSON.parse(JSON.stringify(openApiDocument())) as {
  openapi: string;
  paths: Record<string, Record<string, OperationObject>>;
  components: { schemas: Record<string, object>; securitySchemes: Record<string, object> };
};
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

const root = (path: string) => new URL(`../../../${path}`, import.meta.url);

/** Schemas of the document, with references into the whole document. */
function ajv() {
  const made = new Ajv2020({ strict: true, allowUnionTypes: true, strictRequired: false, validateFormats: false, allErrors: true });
  made.addVocabulary(['openapi', 'paths', 'info', 'servers', 'security', 'components']);
  made.addSchema({ $id: 'openapi', ...document });
  return made;
}
const absolute = (schema: object) => JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"openapi#/')) as object;

describe('the OpenAPI document', () => {
  it('describes exactly the routes', () => {
    const described = operations.map(({ path, method }) => `${method.toUpperCase()} v1${path}`).sort();

    expect(document.openapi).toBe('3.1.0');
    expect(described).toEqual(
      createApi()
        .routes.map(({ method, route }) => `${method} ${route}`)
        .sort(),
    );
    expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length);
  });

  it('declares every parameter of a path, once', () => {
    for (const { path, operation } of operations) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
      const declared = operation.parameters.filter((parameter) => parameter.in === 'path');
      expect(declared.map(({ name }) => name).sort()).toEqual(inPath);
      expect(declared.every(({ required }) => required)).toBe(true);
      expect(new Set(operation.parameters.map(({ name }) => name)).size).toBe(operation.parameters.length);
    }
  });

  it('has schemas that compile, and every reference leads somewhere', () => {
    const compiler = ajv();
    const schemas = operations.flatMap(({ operation }) => [
      ...operation.parameters.map(({ schema }) => schema),
      ...Object.values(operation.requestBody?.content ?? {}).map(({ schema }) => schema),
      ...Object.values(operation.responses).flatMap(({ content }) => Object.values(content).map(({ schema }) => schema)),
    ]);

    for (const schema of [...schemas, ...Object.values(document.components.schemas)])
      expect(() => compiler.compile(absolute(schema))).not.toThrow();
    expect(JSON.stringify(schemas)).toContain('#/components/schemas/Run"');
  });

  it('answers every operation with a success and a problem', () => {
    for (const { operation } of operations) {
      const statuses = Object.keys(operation.responses);
      expect(statuses.some((status) => status.startsWith('2'))).toBe(true);
      expect(operation.responses['default']?.content).toHaveProperty(['application/problem+json']);
    }
  });

  it('needs a token everywhere but for itself', () => {
    expect(operations.filter(({ operation }) => operation.security?.length === 0).map(({ path }) => path)).toEqual(['/openapi.json']);
  });

  it('fits what the API answers', async () => {
    const api = createApi();
    const validate = ajv().compile(absolute(document.components.schemas['Problem'] ?? {}));

    expect(validate((await api.send('GET', 'runs/x')).body)).toBe(true);
    expect(validate({ status: 400 })).toBe(false);
    expect((await api.send('GET', 'openapi.json', { token: null })).body).toEqual(document);
  });
});

describe('generated files', () => {
  it('are current (npm run schema)', async () => {
    for (const [path, text] of await generatedFiles()) expect(await readFile(root(path), 'utf8'), path).toBe(text);
  });

  it('include a schema that accepts the example and refuses a slip', async () => {
    const schema = JSON.parse(await readFile(root('docs/sluice.schema.json'), 'utf8')) as object;
    const validate = new Ajv2020({ allErrors: true, strictTypes: false }).compile(schema);
    const example = parse(await readFile(root('examples/ble-location/sluice.yaml'), 'utf8')) as Record<string, unknown>;

    expect(validate(example), JSON.stringify(validate.errors)).toBe(true);
    expect(validate({ ...example, gate: [] })).toBe(false);
    const { gates: _gates, ...ungated } = example;
    expect(validate(ungated)).toBe(false);
  });
});
