// Storage connections by app setting, as the real host resolves them: a connection string, or `<name>__queueServiceUri` with an identity.
// The storage and identity packages are loaded when the first queue is used, so that an app without queues starts faster.
import type { QueueClient, QueueServiceClient } from '@azure/storage-queue';
import type { AppSettings } from '../../config/setting-names.ts';
import { HostStartError } from '../../config/start-error.ts';

/** Opens queues of connections; clients are made once per connection. */
export interface QueueConnections {
  /** Checks that the settings of a connection are there. Throws `HostStartError` (kind `app`) that names setting and function. */
  check(connection: string | undefined, where: string): void;
  /** A client of one queue. */
  queue(connection: string | undefined, queueName: string): Promise<QueueClient>;
}

/** Connection that is meant when a binding names none. */
const DEFAULT_CONNECTION = 'AzureWebJobsStorage';
/** A call to storage that hangs must not hang a trigger; retries belong to the listener, which backs off and reports the outage. */
const CLIENT_OPTIONS = { retryOptions: { maxTries: 2, tryTimeoutInMs: 15_000, retryDelayInMs: 100, maxRetryDelayInMs: 500 } };

interface Target {
  readonly connectionString?: string;
  readonly uri?: string;
  readonly clientId?: string;
}

/** Connections of a set of app settings. */
export function createQueueConnections(settings: AppSettings): QueueConnections {
  const services = new Map<string, Promise<QueueServiceClient>>();
  return {
    check: (connection, where) => void targetOf(connection ?? DEFAULT_CONNECTION, settings, where),
    async queue(connection, queueName) {
      const name = connection ?? DEFAULT_CONNECTION;
      const service = services.get(name) ?? open(targetOf(name, settings, `queue "${queueName}"`));
      services.set(name, service);
      return (await service).getQueueClient(queueName);
    },
  };
}

/** Settings are looked for under `AzureWebJobs<name>` first, then under the name itself. */
function targetOf(name: string, settings: AppSettings, where: string): Target {
  for (const setting of [`AzureWebJobs${name}`, name]) {
    const connectionString = settings[setting];
    if (connectionString) return { connectionString };
    const part = (key: string) => settings[`${setting}__${key}`] ?? settings[`${setting}:${key}`];
    const account = part('accountName');
    const uri = part('queueServiceUri') ?? part('serviceUri') ?? (account ? `https://${account}.queue.core.windows.net` : undefined);
    const clientId = part('clientId');
    if (uri) return { uri, ...(clientId ? { clientId } : {}) };
  }
  const mend = `Set "${name}" to a connection string (or "UseDevelopmentStorage=true"), or "${name}__queueServiceUri" to a URL, in the environment or in local.settings.json.`;
  throw new HostStartError('app', `${where}: the storage connection "${name}" is not set. ${mend}`);
}

async function open(target: Target): Promise<QueueServiceClient> {
  const { QueueServiceClient } = await import('@azure/storage-queue');
  if (target.connectionString) return QueueServiceClient.fromConnectionString(target.connectionString, CLIENT_OPTIONS);
  const { DefaultAzureCredential } = await import('@azure/identity');
  const credential = new DefaultAzureCredential(target.clientId ? { managedIdentityClientId: target.clientId } : {});
  return new QueueServiceClient(target.uri ?? '', credential, CLIENT_OPTIONS);
}
