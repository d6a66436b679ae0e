// Keys of host.json that the real host knows and that change nothing on one machine: they are accepted in silence.
// Source: the published host.json reference of Functions 4 and of the Durable Task, Storage and HTTP extensions.

/** Whole sections: every key below is accepted. */
const SECTIONS = [
  'aggregator',
  'applicationInsights',
  'concurrency',
  'console',
  'customHandler',
  'extensionBundle',
  'extensions:blobs',
  'extensions:cosmosDB',
  'extensions:eventHubs',
  'extensions:eventGrid',
  'extensions:kafka',
  'extensions:mcp',
  'extensions:sendGrid',
  'extensions:serviceBus',
  'extensions:signalR',
  'extensions:tables',
  'extensions:timers',
  'extensions:durableTask:storageProvider',
  'extensions:durableTask:tracing',
  'extensions:durableTask:notifications',
  'extensions:durableTask:grpc',
  'extensions:http:hsts',
  'healthMonitor',
  'logging:applicationInsights',
  'logging:console',
  'managedDependency',
  'sendGrid',
  'singleton',
];

/** Single keys. */
const KEYS = [
  'logging:fileLoggingMode',
  'telemetryMode',
  'watchDirectories',
  'watchFiles',
  'extensions:http:dynamicThrottlesEnabled',
  'extensions:http:maxConcurrentRequests',
  'extensions:http:maxOutstandingRequests',
  ...[
    'appLeaseOptions',
    'entityMessageReorderWindowInMinutes',
    'extendedSessionIdleTimeoutInSeconds',
    'extendedSessionsEnabled',
    'localRpcEndpointEnabled',
    'maxConcurrentEntityFunctions',
    'maxEntityOperationBatchSize',
    'maxGrpcMessageSizeInBytes',
    'maxOrchestrationActions',
    'maxQueuePollingInterval',
    'rollbackEntityOperationsOnExceptions',
    'useAppLease',
    'useGracefulShutdown',
  ].map((key) => `extensions:durableTask:${key}`),
];

const sections = SECTIONS.map((section) => `${section.toLowerCase()}:`);
const keys = new Set([...KEYS, ...SECTIONS].map((key) => key.toLowerCase()));

/** Whether a key (`a:b:c`, any case) is known and changes nothing here. */
export function hasNoEffectHere(path: string): boolean {
  const key = path.toLowerCase();
  return keys.has(key) || sections.some((section) => key.startsWith(section));
}
