// The configuration of the local cloud: one JSON document, checked before anything starts.
// Unknown keys are refused, so that a misspelt setting is not a silent default.
import { z } from 'zod';
import { AzureMlSettings } from './azureml/settings.ts';

const port = z.number().int().min(0).max(65_535).default(0);
const strings = z.record(z.string(), z.string());
const name = z.string().min(1);

const client = z.strictObject({
  clientId: name,
  objectId: name,
  name,
  secret: name.exactOptional(),
  roles: z.array(z.string()).exactOptional(),
  tokenLifetimeSeconds: z.number().int().exactOptional(),
});

const api = z.strictObject({
  uri: name,
  tokenVersion: z.union([z.literal(1), z.literal(2)]),
  audience: z.string().exactOptional(),
  roles: z.array(z.string()).exactOptional(),
  assignmentRequired: z.boolean().exactOptional(),
});

const subscription = z.strictObject({
  name,
  queue: name,
  schema: z.enum(['cloudevents', 'eventgrid']),
  includedEventTypes: z.array(z.enum(['Microsoft.Storage.BlobCreated', 'Microsoft.Storage.BlobDeleted'])).exactOptional(),
  subjectBeginsWith: z.string().exactOptional(),
  subjectEndsWith: z.string().exactOptional(),
  apis: z.array(z.string()).exactOptional(),
  deadLetterContainer: z.string().exactOptional(),
  encoding: z.enum(['base64', 'plain']).exactOptional(),
  quotedETag: z.boolean().exactOptional(),
});

const topicSubscription = z.strictObject({
  name,
  queue: name,
  includedEventTypes: z.array(z.string()).exactOptional(),
  subjectBeginsWith: z.string().exactOptional(),
  subjectEndsWith: z.string().exactOptional(),
  deadLetterContainer: z.string().exactOptional(),
  encoding: z.enum(['base64', 'plain']).exactOptional(),
});

const stepImage = z.strictObject({
  command: z.array(z.string()).exactOptional(),
  programs: strings.exactOptional(),
  cwd: z.string().exactOptional(),
  env: strings.exactOptional(),
});

const servingImage = z.strictObject({
  command: z.tuple([z.string()], z.string()),
  cwd: z.string(),
  env: strings.exactOptional(),
  digest: z.string().exactOptional(),
});

const kubeflowAuth = z.discriminatedUnion('mode', [
  z.strictObject({ mode: z.literal('none') }),
  z.strictObject({
    mode: z.literal('multi-user'),
    audience: z.string().exactOptional(),
    issuers: z.array(z.strictObject({ issuer: name, jwksUri: z.string().exactOptional() })).exactOptional(),
    tokens: z.array(z.strictObject({ token: name, user: name, audiences: z.array(z.string()) })).exactOptional(),
    grants: z.array(z.strictObject({ user: name, namespace: name, verbs: z.array(z.string()).exactOptional() })),
  }),
]);

/** The document that `main.ts` reads. */
export const CloudConfig = z.strictObject({
  /** Folder of all state; made when absent. */
  dataDir: name,
  host: z.string().default('127.0.0.1'),
  /** 0 = any free port. Give fixed ports where addresses must survive a restart (the issuer's address is in every token). */
  ports: z
    .strictObject({
      entra: port,
      eventgrid: port,
      admin: port,
      topic: port,
      kubeflow: port,
      azureml: port,
      databricks: port,
      kubernetes: port,
      s3: port,
      sts: port,
      sagemaker: port,
    })
    .partial()
    .default({}),
  /** Stop when standard input ends or the parent process is gone. */
  stopWithParent: z.boolean().default(false),
  /** The storage account (Azurite). */
  storage: z.strictObject({
    connectionString: name,
    resourceId: name,
    accountName: z.string().exactOptional(),
    /** Containers that infrastructure would have made; queues and dead-letter containers of the subscriptions are made in any case. */
    containers: z.array(z.string()).default([]),
  }),
  entra: z.strictObject({
    tenant: name,
    clients: z.array(client),
    apis: z.array(api).exactOptional(),
    managedIdentity: z.strictObject({ clientId: name, header: name }).exactOptional(),
    tokenLifetimeSeconds: z.number().int().exactOptional(),
  }),
  subscriptions: z.array(subscription).default([]),
  /** The custom topic for the product's own events. */
  topic: z
    .strictObject({
      name: name.default('sluice-transitions'),
      /** Object ids with the role "EventGrid Data Sender" on it. */
      dataSenders: z.array(z.string()).default([]),
      subscriptions: z.array(topicSubscription).default([]),
    })
    .prefault({}),
  retry: z.strictObject({ delaysMs: z.array(z.number().min(0)), maxAttempts: z.number().int().min(1) }).exactOptional(),
  /** Python for steps: replaces `python` and `python3` in their commands; `env` comes before an image's own. */
  python: z.strictObject({ command: name, env: strings.default({}) }).exactOptional(),
  kubeflow: z.strictObject({
    images: z.record(z.string(), stepImage).default({}),
    auth: kubeflowAuth.default({ mode: 'none' }),
    pendingMs: z.number().min(0).exactOptional(),
    pipelineRoot: z.string().exactOptional(),
    /** The cluster is at a site with data of its own: a folder stands for the volume of this claim. */
    site: z
      .strictObject({
        claim: name,
        folder: name,
        /** Everything that crosses the border is kept and can be searched (`/_admin/crossings`); steps reach the outside by a proxy. */
        inspect: z.boolean().default(false),
      })
      .exactOptional(),
  }),
  azureml: AzureMlSettings.omit({ images: true, events: true }).extend({
    images: z.record(z.string(), stepImage).default({}),
    /** Queue that gets the events of jobs. */
    eventsQueue: name.exactOptional(),
  }),
  /** A factory behind the same ARM; none without it. */
  datafactory: z
    .strictObject({
      factory: name,
      operators: z.array(z.string()).exactOptional(),
      queryDelayMs: z.number().min(0).exactOptional(),
      pipelines: z.record(
        z.string(),
        z.strictObject({
          parameters: z
            .record(
              z.string(),
              z.strictObject({
                type: z.enum(['String', 'Int', 'Float', 'Bool', 'Array', 'Object', 'SecureString']),
                defaultValue: z.unknown().exactOptional(),
              }),
            )
            .exactOptional(),
          activities: z.array(
            z.discriminatedUnion('type', [
              z.strictObject({ name, type: z.literal('Copy'), from: name, container: name, to: name }),
              z.strictObject({ name, type: z.literal('Custom'), command: z.tuple([name], name), cwd: name, env: strings.exactOptional() }),
            ]),
          ),
          concurrency: z.number().int().min(1).exactOptional(),
        }),
      ),
    })
    .exactOptional(),
  databricks: z
    .strictObject({
      principals: z.array(z.strictObject({ objectId: name, name, mayRun: z.boolean().exactOptional() })),
      clusters: z.array(z.strictObject({ id: name, state: name, env: strings.exactOptional() })).default([]),
      volumes: z.array(
        z.union([z.strictObject({ path: name, folder: name }), z.strictObject({ path: name, connectionString: name, container: name })]),
      ),
      secrets: strings.default({}),
      env: strings.default({}),
      python: name,
      pendingMs: z.number().min(0).exactOptional(),
    })
    .exactOptional(),
  /** The cluster that Kubeflow's steps run on; without it steps have no pods. */
  kubernetes: z
    .strictObject({
      nodes: z.array(
        z.strictObject({
          name,
          labels: strings.exactOptional(),
          ready: z.boolean().exactOptional(),
          allocatable: strings.exactOptional(),
        }),
      ),
      audience: name,
      rules: z.array(
        z.strictObject({ user: name, verbs: z.array(z.string()), resources: z.array(z.string()), namespace: z.string().exactOptional() }),
      ),
    })
    .exactOptional(),
  aws: z.strictObject({
    region: z.string().default('us-east-1'),
    accountId: z
      .string()
      .regex(/^\d{12}$/)
      .default('000000000000'),
    /** Audience that the account's OIDC provider for the local tenant accepts. */
    audiences: z.array(z.string()).default(['api://aws-sagemaker']),
    roles: z
      .array(
        z.strictObject({
          arn: name,
          subjects: z.array(z.string()),
          audiences: z.array(z.string()).exactOptional(),
          permissions: z.unknown().exactOptional(),
          maxSessionSeconds: z.number().int().exactOptional(),
        }),
      )
      .default([]),
    buckets: z.array(z.string()).default([]),
    images: z.record(z.string(), servingImage).default({}),
    startupMs: z.number().min(0).exactOptional(),
    consistencyLagMs: z.number().min(0).exactOptional(),
    instanceQuotas: z.record(z.string(), z.number().int().min(0)).exactOptional(),
  }),
});

export type CloudConfig = z.infer<typeof CloudConfig>;

/** The configuration cannot be used; the message lists every problem with its place. */
export class CloudConfigError extends Error {
  override readonly name = 'CloudConfigError';
}

/** Reads the document. Throws `CloudConfigError`. */
export function readCloudConfig(text: string): CloudConfig {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new CloudConfigError(
      `The configuration of the local cloud is not JSON: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  const parsed = CloudConfig.safeParse(json);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `  ${issue.path.join('.') || '(top)'}: ${issue.message}`);
  throw new CloudConfigError(`The configuration of the local cloud is not usable:\n${problems.join('\n')}`);
}
