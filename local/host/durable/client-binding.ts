// What a `durableClient` input binding receives: every URL of the management API, as templates.
// Shape and order of the recording http-and-durableClient.
import type { RpcTypedData } from '../core/rpc.ts';
import type { DurableSettings } from './engine.ts';

/** Path of the management API below the host's origin. */
export const webhookPath = '/runtime/webhooks/durabletask';
/** Path of the SDK's local calls; the real host serves them on a port of their own. */
export const rpcPath = '/durabletask';

const placeholder = 'INSTANCEID';

/** The URLs of one instance, as `createCheckStatusResponse` and a started instance's answer show them. */
export function instanceLinks(baseUrl: string, settings: DurableSettings, instanceId: string): Record<string, string> {
  const code = keyQuery(settings);
  const query = `taskHub=${encodeURIComponent(settings.hubName)}&connection=Storage${code === '' ? '' : `&${code}`}`;
  const instance = `${baseUrl}${webhookPath}/instances/${instanceId === placeholder ? instanceId : encodeURIComponent(instanceId)}`;
  return {
    id: instanceId,
    statusQueryGetUri: `${instance}?${query}`,
    sendEventPostUri: `${instance}/raiseEvent/{eventName}?${query}`,
    terminatePostUri: `${instance}/terminate?reason={text}&${query}`,
    rewindPostUri: `${instance}/rewind?reason={text}&${query}`,
    purgeHistoryDeleteUri: `${instance}?${query}`,
    restartPostUri: `${instance}/restart?${query}`,
    suspendPostUri: `${instance}/suspend?reason={text}&${query}`,
    resumePostUri: `${instance}/resume?reason={text}&${query}`,
  };
}

const keyQuery = (settings: DurableSettings): string => (settings.systemKey === undefined ? '' : `code=${settings.systemKey}`);

/** The binding's data: JSON text. */
export function clientBindingData(baseUrl: string, settings: DurableSettings): RpcTypedData {
  const code = keyQuery(settings);
  const start = `${baseUrl}${webhookPath}/orchestrators/{functionName}[/{instanceId}]`;
  return {
    string: JSON.stringify({
      taskHubName: settings.hubName,
      connectionName: null,
      creationUrls: {
        createNewInstancePostUri: `${start}?${code}`,
        createAndWaitOnNewInstancePostUri: `${start}?timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}&${code}`,
      },
      managementUrls: instanceLinks(baseUrl, settings, placeholder),
      baseUrl: `${baseUrl}${webhookPath}`,
      requiredQueryStringParameters: code,
      rpcBaseUrl: `${loopback(baseUrl)}${rpcPath}/`,
      httpBaseUrl: null,
      maxGrpcMessageSizeInBytes: null,
      grpcHttpClientTimeout: null,
    }),
  };
}

/** `localhost` may resolve to ::1, where nobody listens. */
function loopback(baseUrl: string): string {
  const url = new URL(baseUrl);
  if (url.hostname === 'localhost') url.hostname = '127.0.0.1';
  return url.origin;
}
