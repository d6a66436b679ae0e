// host.json: defaults, values, overrides, and what is said about keys that do not apply or are not known.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hostSettingsOf, readHostSettings } from '../../../../local/host/config/host-json.ts';

const read = (json: unknown, environment: Record<string, string> = {}) => hostSettingsOf(json, 'host.json', environment);

describe('without settings', () => {
  it('has the defaults of the real host in development', () => {
    const settings = readHostSettings(mkdtempSync(join(tmpdir(), 'host-json-')), {});
    expect(settings.routePrefix).toBe('api');
    expect(settings.functionTimeoutMs).toBe(30 * 60_000);
    expect(settings.queues).toEqual({
      batchSize: 16,
      newBatchThreshold: 8,
      visibilityTimeoutMs: 0,
      maxDequeueCount: 5,
      maxPollingIntervalMs: 2000,
      messageEncoding: 'base64',
    });
    expect(settings.durableTask.hubName).toBe('TestHubName');
    expect(settings.durableTask.defaultVersion).toBeUndefined();
    expect(settings.warnings).toEqual([]);
  });
});

describe('values', () => {
  it('are read in any case, with comments and a byte order mark in the file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'host-json-'));
    const text =
      '\uFEFF{ // the version\n "version": "2.0", "Extensions": { "HTTP": { "routePrefix": "/v1//" }, "queues": { "BatchSize": "4" } } /* end */ }';
    writeFileSync(join(folder, 'host.json'), text);
    const settings = readHostSettings(folder, {});
    expect(settings.routePrefix).toBe('v1');
    expect(settings.queues.batchSize).toBe(4);
    expect(settings.queues.newBatchThreshold).toBe(2);
  });

  it('keep two slashes inside a text', () => {
    const folder = mkdtempSync(join(tmpdir(), 'host-json-'));
    writeFileSync(join(folder, 'host.json'), '{"version":"2.0","extensions":{"http":{"customHeaders":{"x-link":"http://a/*b*/"}}}}');
    expect(readHostSettings(folder, {}).customHeaders.get('x-link')).toBe('http://a/*b*/');
  });

  it('of the Durable extension reach the engine, the hub name by app setting', () => {
    const durableTask = { hubName: '%HUB%', defaultVersion: '1.2', versionMatchStrategy: 'strict', maxConcurrentActivityFunctions: 7 };
    const settings = read({ version: '2.0', extensions: { durableTask } }, { HUB: 'TrainingHub' });
    expect(settings.durableTask).toMatchObject({
      hubName: 'TrainingHub',
      defaultVersion: '1.2',
      versionMatchStrategy: 'Strict',
      versionFailureStrategy: 'Reject',
      maxConcurrentActivityFunctions: 7,
    });
  });

  it('give way to environment overrides', () => {
    const override = {
      AzureFunctionsJobHost__extensions__queues__maxPollingInterval: '00:00:00.200',
      azurefunctionsjobhost__extensions__http__routeprefix: '',
    };
    const settings = read({ version: '2.0', extensions: { queues: { maxPollingInterval: '00:01:00' } } }, override);
    expect(settings.queues.maxPollingIntervalMs).toBe(200);
    expect(settings.routePrefix).toBe('');
  });

  it('of functionTimeout may say that there is no limit', () => {
    expect(read({ version: '2.0', functionTimeout: '-1' }).functionTimeoutMs).toBeUndefined();
    expect(read({ version: '2.0', functionTimeout: '00:00:01' }).functionTimeoutMs).toBe(1000);
  });
});

describe('keys', () => {
  it('that are unknown give one warning each, with file and path', () => {
    const settings = read({ version: '2.0', extensions: { queues: { batchsize: 2, bachSize: 3 } }, colour: { of: 'money' } });
    expect(settings.warnings).toEqual([
      'host.json: the setting "extensions.queues.bachSize" is not known to this host and is ignored.',
      'host.json: the setting "colour.of" is not known to this host and is ignored.',
    ]);
  });

  it('of the Durable extension that this host does not apply are named as well', () => {
    const durableTask = { storeInputsInOrchestrationHistory: true, httpSettings: { defaultAsyncRequestSleepTimeMilliseconds: 5 } };
    const { warnings } = read({ version: '2.0', extensions: { durableTask } });
    expect(warnings.map((line) => /"extensions\.durableTask\.(.*)"/.exec(line)?.[1])).toEqual([
      'storeInputsInOrchestrationHistory',
      'httpSettings.defaultAsyncRequestSleepTimeMilliseconds',
    ]);
  });

  it('that are known and change nothing on one machine give no warning', () => {
    const storageProvider = { partitionCount: 4, useTablePartitionManagement: true };
    const settings = read({
      version: '2.0',
      extensionBundle: { id: 'Microsoft.Azure.Functions.ExtensionBundle', version: '[4.*, 5.0.0)' },
      logging: { applicationInsights: { samplingSettings: { isEnabled: true } }, fileLoggingMode: 'always' },
      extensions: { durableTask: { storageProvider, tracing: { DistributedTracingEnabled: true }, extendedSessionsEnabled: false } },
    });
    expect(settings.warnings).toEqual([]);
    expect(settings.withoutEffect).toHaveLength(8);
  });

  it('of a prototype do no harm', () => {
    const settings = read(JSON.parse('{"version":"2.0","__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'));
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    expect(settings.warnings).toHaveLength(2);
  });
});

describe('what does not fit is refused with file, key, wanted kind and found value', () => {
  it.each([
    [{ version: '1.0' }, 'host.json: "version" must be one of 2.0, found "1.0".'],
    [
      { extensions: { queues: { batchSize: 33 } } },
      'host.json: "extensions.queues.batchSize" must be a whole number from 1 to 32, found 33.',
    ],
    [{ extensions: { queues: { messageEncoding: 'hex' } } }, 'must be one of base64, none, found "hex"'],
    [{ extensions: { queues: { visibilityTimeout: '30 s' } } }, 'must be a time span such as "00:00:30", found "30 s"'],
    [{ extensions: { http: { routePrefix: {} } } }, undefined],
    [{ extensions: { http: { routePrefix: ['a'] } } }, '"extensions.http.routePrefix" must be text'],
    [{ functionTimeout: '00:00:00' }, 'a time span above zero'],
    [{ logging: { logLevel: { default: 'Loud' } } }, '"logging.logLevel.default" must be one of Trace, Debug'],
    [{ extensions: { durableTask: { hubName: '1x' } } }, 'durableTask.hubName is "1x"; it must be 3 to 45'],
    [{ extensions: { durableTask: { hubName: '%NO_SUCH%' } } }, 'the app setting "NO_SUCH" (written %NO_SUCH%) is not set'],
    [[], 'must be a JSON object'],
  ])('%j', (json, message) => {
    if (message === undefined) expect(read(json).routePrefix).toBe('api');
    else expect(() => read(json)).toThrow(message);
  });

  it('a file that is not JSON', () => {
    const folder = mkdtempSync(join(tmpdir(), 'host-json-'));
    writeFileSync(join(folder, 'host.json'), '{"version": }');
    expect(() => readHostSettings(folder, {})).toThrow(/host\.json: not valid JSON: .* Correct the file/);
  });
});
