// A stand-in with its own issuer behind real ports, and short calls of ARM and MLflow for tests.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAzureMlCloud, type AzureMlCloud, type AzureMlOptions } from '../../../../local/cloud/azureml/azureml-cloud.ts';
import type { WorkspaceOptions } from '../../../../local/cloud/azureml/workspace.ts';
import { createEntraCloud } from '../../../../local/cloud/entra/entra-cloud.ts';
import { freePort } from '../../../../local/cloud/kit/process.ts';
import { serve, type CloudServer } from '../../../../local/cloud/kit/server.ts';

export const SUBSCRIPTION = '00000000-0000-4000-8000-000000000001';
export const GROUP = 'rg-ml';
export const PROVIDER = `/subscriptions/${SUBSCRIPTION}/resourceGroups/${GROUP}/providers/Microsoft.MachineLearningServices`;
export const DEV = `${PROVIDER}/workspaces/mlw-dev`;
const TENANT = 'tests';
const VERSION = 'api-version=2025-12-01';
/** An image that is known here; `trainer` in it is Node. */
export const IMAGE = `registry.local/trainer@sha256:${'a'.repeat(64)}`;
export const ENVIRONMENT = `${DEV}/environments/trainer/versions/1`;

interface Pair {
  readonly key: string;
  readonly value: string;
}

/** A run as MLflow shows it. */
export interface RunView {
  readonly info: Readonly<Record<string, string>> & { readonly experiment_id: string; readonly status: string };
  readonly data: {
    readonly metrics: readonly { readonly key: string; readonly value: number | string; readonly step: number }[];
    readonly params: readonly Pair[];
    readonly tags: readonly Pair[];
  };
}

/** JSON of an answer; the tests say which parts must be in it. */
export interface Body {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly value: readonly Body[];
  readonly nextLink: string;
  readonly properties: {
    readonly status: string;
    readonly command: string;
    readonly environmentId: string;
    readonly tags: Readonly<Record<string, string>>;
    readonly properties: Readonly<Record<string, string>>;
    readonly outputs: Record<string, { readonly uri: string }>;
  };
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly target: string;
    readonly details: readonly { readonly code: string; readonly target: string }[];
  };
  readonly error_code: string;
  readonly message: string;
  readonly run: RunView;
  readonly runs: readonly RunView[];
  readonly next_page_token: string;
  readonly experiment_id: string;
  readonly experiment: Readonly<Record<string, string>>;
  readonly metrics: readonly { readonly value: number | string }[];
  readonly files: readonly { readonly path: string }[];
  readonly model_version: { readonly version: string; readonly current_stage: string };
  readonly model_versions: readonly { readonly version: string }[];
  readonly registered_model: { readonly name: string };
  readonly artifactContentInformation: Readonly<Record<string, { readonly contentUri: string }>>;
  readonly jobs: readonly {
    readonly name: string;
    readonly status: string;
    readonly reason: string | null;
    readonly parent: string | null;
  }[];
}

export interface Answer {
  readonly status: number;
  readonly body: Body;
  readonly headers: Headers;
}

/** The issuer of a test file; one is enough for all its stand-ins. */
export interface Issuer {
  readonly url: string;
  token(client?: string, scope?: string): Promise<string>;
  close(): Promise<void>;
}

export async function startIssuer(): Promise<Issuer> {
  const port = await freePort();
  const dataDir = mkdtempSync(join(tmpdir(), 'entra-'));
  const clients = ['engineer', 'reader'].map((name) => ({ clientId: name, objectId: `oid-${name}`, name, secret: 's' }));
  const entra = await createEntraCloud({ dataDir, baseUrl: `http://127.0.0.1:${port}`, tenant: TENANT, clients });
  const server = await serve((request) => entra.fetch(request), { port });
  const known = new Map<string, string>();
  return {
    url: `${server.url}/${TENANT}`,
    async token(client = 'engineer', scope = 'https://management.azure.com/.default') {
      const key = `${client} ${scope}`;
      const cached = known.get(key);
      if (cached !== undefined) return cached;
      const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: client, client_secret: 's', scope });
      const answer = await fetch(`${server.url}/${TENANT}/oauth2/v2.0/token`, { method: 'POST', body });
      const { access_token: token } = (await answer.json()) as { access_token: string };
      known.set(key, token);
      return token;
    },
    async close() {
      await server.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** A running stand-in with its calls. */
export interface Stand {
  readonly cloud: AzureMlCloud;
  readonly url: string;
  readonly dataDir: string;
  /** Path below the dev workspace, or a whole path or address; adds the api-version. */
  arm(method: string, path: string, body?: unknown, client?: string): Promise<Answer>;
  mlflow(method: string, call: string, body?: unknown, client?: string): Promise<Answer>;
  admin(method: string, path: string, body?: unknown): Promise<Answer>;
  /** PUT of a job that must be new, and its end. */
  run(name: string, properties: object): Promise<Body>;
  close(keepData?: boolean): Promise<void>;
}

export async function startStand(
  issuer: Issuer,
  extra: Partial<AzureMlOptions> & { readonly workspace?: Partial<WorkspaceOptions> } = {},
): Promise<Stand> {
  const { workspace, ...options } = extra;
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'azureml test-')); // a blank, as people have in their paths
  const cloud = createAzureMlCloud({
    subscriptionId: SUBSCRIPTION,
    resourceGroup: GROUP,
    workspaces: [
      { name: 'mlw-dev', computes: [{ name: 'cpu-cluster', type: 'AmlCompute', maxNodes: 2 }], ...workspace },
      { name: 'mlw-prod' },
    ],
    issuer: `${issuer.url}/`,
    jwksUri: `${issuer.url}/discovery/v2.0/keys`,
    tenant: TENANT,
    images: { 'registry.local/trainer': { programs: { trainer: process.execPath }, env: { FROM_IMAGE: 'yes' } } },
    graceMs: 500,
    ...options,
    dataDir,
  });
  const server: CloudServer = await serve((request) => cloud.fetch(request));
  cloud.reachableAt(server.url);

  const call = async (method: string, url: string, body: unknown, client: string | undefined): Promise<Answer> => {
    const response = await fetch(url, {
      method,
      headers: {
        ...(client === undefined ? {} : { authorization: `Bearer ${await issuer.token(client)}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = (response.headers.get('content-type') ?? '').startsWith('application/json');
    return { status: response.status, body: (isJson ? JSON.parse(text) : { message: text }) as Body, headers: response.headers };
  };
  const arm: Stand['arm'] = (method, path, body, client = 'engineer') => {
    const url = path.startsWith('http') ? path : `${server.url}${path.startsWith('/') ? path : `${DEV}/${path}`}`;
    return call(method, url.includes('api-version=') ? url : `${url}${url.includes('?') ? '&' : '?'}${VERSION}`, body, client);
  };
  return {
    cloud,
    url: server.url,
    dataDir,
    arm,
    mlflow: (method, path, body, client = 'engineer') =>
      call(method, `${server.url}/mlflow/v2.0${DEV}/api/2.0/mlflow/${path}`, body, client),
    admin: (method, path, body) => call(method, `${server.url}/_admin/${path}`, body, undefined),
    async run(name, properties) {
      const put = await arm('PUT', `jobs/${name}`, { properties });
      if (put.status !== 201) throw new Error(`PUT ${name}: ${put.status} ${JSON.stringify(put.body)}`);
      await cloud.settled(name);
      return (await arm('GET', `jobs/${name}`)).body;
    },
    async close(keepData = false) {
      await server.close();
      await cloud.close();
      if (!keepData) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** Registers the environment that most jobs use. */
export async function registerEnvironment(stand: Stand): Promise<void> {
  const { status } = await stand.arm('PUT', 'environments/trainer/versions/1', { properties: { image: IMAGE } });
  if (status !== 201) throw new Error(`the environment was answered ${status}`);
}

/** A command job. */
export const command = (line: string, more: object = {}): object => ({
  jobType: 'Command',
  command: line,
  environmentId: ENVIRONMENT,
  experimentName: 'tests',
  ...more,
});

/** Long-form address in a datastore of the dev workspace. */
export const inStore = (store: string, path: string): string =>
  `azureml://subscriptions/${SUBSCRIPTION}/resourcegroups/${GROUP}/workspaces/mlw-dev/datastores/${store}/paths/${path}`;

/** The log of a job's process, by the artifact service. */
export async function logOf(stand: Stand, issuer: Issuer, job: string, path = 'user_logs/std_log.txt'): Promise<string> {
  const url = `${stand.url}/artifact/v2.0${DEV}/artifacts/ExperimentRun/dcid.${job}/contentinfo?path=${encodeURIComponent(path)}`;
  const info = await fetch(url, { headers: { authorization: `Bearer ${await issuer.token()}` } });
  if (info.status !== 200) return `status ${info.status}`;
  const { contentUri } = (await info.json()) as { contentUri: string };
  return (await fetch(contentUri)).text();
}

/** Waits until something is so; for what another process does. */
export async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('it did not become so within 10 s');
}
