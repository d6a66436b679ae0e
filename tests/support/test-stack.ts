// A real stack for end-to-end tests: every part a process on free ports and a data folder of its own, with the ways in that a test needs.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { type QueueClient, QueueServiceClient } from '@azure/storage-queue';
import { type Api, createApi } from '../../cli/api.ts';
import { follow, type Followed } from '../../cli/follow.ts';
import { type CloudAdditions, LOCAL } from '../../local/stack/cloud-config.ts';
import { readStackFile, type StackFile } from '../../local/stack/stack-file.ts';
import { type Stack, startStack } from '../../local/stack/stack.ts';
import { createSagemaker } from '../../shared/adapters/sagemaker/sagemaker.ts';
import { createAwsClients } from '../../shared/clients/aws.ts';
import type { LedgerEntry } from '../../shared/contracts/events.ts';
import type { RunSummary } from '../../shared/contracts/http-api.ts';
import type { ServingPlatform } from '../../shared/ports/serving-platform.ts';
import { landingFolder, type Variant, variantBundle } from './pipeline-variant.ts';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const REGION = LOCAL.region;
/** Components that misbehave on request; see their `__main__.py`. */
export const ODD_COMPONENTS = Object.fromEntries(
  ['odd-train', 'serve-mute'].map((name) => [name, join(ROOT, 'tests/e2e/components', name)]),
);
const LIMIT_MS = 150_000;
const LOOK_MS = 200;

export interface Landed {
  path: string;
  /** Without quotes. */
  eTag: string;
}

export interface KubeflowRun {
  run_id: string;
  display_name: string;
  state: string;
}

export interface TestStack {
  stack: Stack;
  file: StackFile;
  dataDir: string;
  /** As the local developer, who is admin. */
  api: Api;
  /** The lake through the port that makes events. */
  lake: ContainerClient;
  /** The landing queue, at Azurite itself. */
  queue: QueueClient;
  /** The serving platform as Sluice's own identity sees it. */
  serving: ServingPlatform;
  register(variant: Variant): Promise<void>;
  /** Writes a file into the landing folder of a pipeline. */
  land(pipeline: string, name: string, content: string | Uint8Array): Promise<Landed>;
  /** Follows what landed until its runs have ended. */
  follow(landed: Landed): Promise<Followed>;
  /** The ledger's rows of one path, oldest first. */
  events(path: string): Promise<LedgerEntry[]>;
  kubeflowRuns(): Promise<KubeflowRun[]>;
  /** A token of some principal. Needs its secret in `additions.principals`, or the developer's. */
  token(client: { clientId: string; secret: string }, audience?: string): Promise<string>;
  stop(): Promise<void>;
}

export async function startTestStack(additions: CloudAdditions = {}): Promise<TestStack> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-e2e-'));
  const ports = { api: 0, lake: 0, queue: 0, table: 0 };
  const say = (line: string): void => void process.stderr.write(`  ${line}\n`);
  const stack = await startStack({ root: ROOT, dataDir, host: 'local', ports, environment: process.env, say, additions }).catch(
    async (error: unknown) => {
      await rm(dataDir, { recursive: true, force: true });
      throw error;
    },
  );
  const file = await readStackFile(dataDir);
  if (!file) throw new Error('the stack left no stack.json');

  const token: TestStack['token'] = async ({ clientId, secret }, audience = LOCAL.audience) => {
    const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: secret, scope: `${audience}/.default` };
    const answer = await fetch(file.token.url, { method: 'POST', body: new URLSearchParams(form), signal: AbortSignal.timeout(10_000) });
    const { access_token: value } = (await answer.json()) as { access_token?: string };
    if (!value) throw new Error(`no token for ${clientId}: ${answer.status}`);
    return value;
  };
  const api = createApi(file.api, () => token({ clientId: file.token.clientId, secret: file.token.clientSecret }));
  const lake = BlobServiceClient.fromConnectionString(file.lake.connectionString).getContainerClient(file.lake.container);
  return {
    stack,
    file,
    dataDir,
    api,
    lake,
    queue: QueueServiceClient.fromConnectionString(file.lake.connectionString).getQueueClient(LOCAL.queue),
    serving: await servingOf(stack, dataDir),
    token,
    async register(variant) {
      await api.send('PUT', `/pipelines/${variant.pipeline}`, await variantBundle(ROOT, stack.images, variant));
    },
    async land(pipeline, name, content) {
      const path = `${landingFolder(pipeline)}${name}`;
      const { etag } = await lake.getBlockBlobClient(path).upload(content, Buffer.byteLength(content));
      return { path, eTag: (etag ?? '').replaceAll('"', '') };
    },
    follow: ({ path, eTag }) => follow(api, path, eTag, { verdict: () => undefined, phase: () => undefined }, LIMIT_MS),
    events: async (path) => (await api.get<{ items: LedgerEntry[] }>(`/events/by-path?path=${encodeURIComponent(path)}`)).items,
    async kubeflowRuns() {
      const address = `${stack.cloud.kubeflow}/apis/v2beta1/runs?namespace=${LOCAL.namespace}&page_size=200`;
      const answer = await fetch(address, { signal: AbortSignal.timeout(10_000) });
      return ((await answer.json()) as { runs?: KubeflowRun[] }).runs ?? [];
    },
    async stop() {
      await stack.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Looks until there is something to see; fails with what was waited for. */
export async function until<Value>(what: string, look: () => Promise<Value | null | undefined | false>, lookMs = LOOK_MS): Promise<Value> {
  const deadline = Date.now() + LIMIT_MS;
  for (;;) {
    const seen = await look();
    if (seen !== null && seen !== undefined && seen !== false) return seen;
    if (Date.now() > deadline) throw new Error(`not seen within ${LIMIT_MS / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

/** The run of a story in a chain. */
export function runOf(followed: Followed, story: RunSummary['story']): RunSummary {
  const run = followed.runs.find((one) => one.story === story);
  if (run) return run;
  const known = followed.runs.map((one) => `${one.runId} ${one.status} ${one.failure?.message ?? ''}`).join('; ');
  throw new Error(`no ${story} run came of it; there are: ${known || followed.entry.verdict.reason}`);
}

async function servingOf(stack: Stack, dataDir: string): Promise<ServingPlatform> {
  const { identityHeader } = JSON.parse(await readFile(join(dataDir, 'secrets.json'), 'utf8')) as { identityHeader: string };
  const getToken = async (audience: string): Promise<string> => {
    const address = `${stack.cloud.identityEndpoint}?api-version=2019-08-01&resource=${encodeURIComponent(audience)}`;
    const answer = await fetch(address, { headers: { 'x-identity-header': identityHeader }, signal: AbortSignal.timeout(10_000) });
    return ((await answer.json()) as { access_token: string }).access_token;
  };
  // The SDK reads its addresses from the environment; each test file is a process of its own.
  process.env['AWS_ENDPOINT_URL_S3'] = stack.cloud.s3;
  process.env['AWS_ENDPOINT_URL_STS'] = stack.cloud.sts;
  process.env['AWS_ENDPOINT_URL_SAGEMAKER'] = stack.cloud.sagemaker;
  process.env['AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME'] = stack.cloud.sagemaker;
  const { promoterRole: roleArn, awsAudience: audience, region } = LOCAL;
  const clients = createAwsClients({ roleArn, audience, region, sessionName: 'test', getToken, now: Date.now });
  return createSagemaker({ clients, now: Date.now }).platform;
}
