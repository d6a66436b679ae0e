// The other recordings: what activities and entities are given and answer, and what a durableClient binding receives.
import * as df from 'durable-functions';
import type { OrchestrationContext } from 'durable-functions';
import { describe, expect, test } from 'vitest';
import { type FunctionApp, loadFunctionApp } from '../../../../../local/host/core/function-app.ts';
import type { RpcTypedData } from '../../../../../local/host/core/rpc.ts';
import { clientBindingData } from '../../../../../local/host/durable/client-binding.ts';
import { startFixture } from '../engine-fixture.ts';
import { registerLab } from './lab-app.ts';
import { folder, readRecording } from './recordings.ts';

const absent = folder === undefined ? ' (skipped: the recordings are not in this checkout)' : '';

interface RecordedCall {
  inputData: RpcTypedData & { data?: string };
  triggerMetadataKeys: string[];
  response: { status: string; returnValueType?: string; returned?: unknown; exceptionMessageRaw?: string };
}

/** The value that the lab's orchestrator passed, read back from what arrived. */
function passedInput(data: RpcTypedData): unknown {
  if (data.string === undefined) return null;
  return data.string === 'False' ? false : (JSON.parse(data.string) as unknown);
}

function observe(app: FunctionApp, type: string, take: (data: RpcTypedData, metadata: string[]) => void): FunctionApp {
  return {
    ...app,
    hooks: app.hooks,
    invoke(name, request) {
      if (app.find(name)?.bindings[0]?.type === type) take(request.inputs[0]?.data ?? {}, Object.keys(request.triggerMetadata ?? {}));
      return app.invoke(name, request);
    },
  };
}

describe.skipIf(folder === undefined)(`the recorded bindings${absent}`, () => {
  test('activities receive their inputs as recorded', async () => {
    const calls = readRecording<{ acts: RecordedCall[] }>('activities').acts;
    const seen: { data: RpcTypedData; metadata: string[] }[] = [];
    const app = await loadFunctionApp(() => {
      df.app.activity('echo', { handler: (input: unknown) => input });
      df.app.orchestration('pass', function* (context: OrchestrationContext) {
        yield context.df.callActivity('echo', context.df.getInput<{ value: unknown }>().value);
      });
    });
    const host = await startFixture(() => undefined, {
      app: observe(app, 'activityTrigger', (data, metadata) => seen.push({ data, metadata })),
      profile: 'ext-3.14',
    });

    for (const call of calls) await host.run('pass', { value: passedInput(call.inputData) });
    await host.close();

    const binding = app.functions.get('echo')?.bindings[0]?.name ?? '';
    expect(
      seen.map(({ data, metadata }) => ({ data, metadata: metadata.map((key) => (key === binding ? 'binding' : key)).sort() })),
    ).toEqual(
      calls.map(({ inputData, triggerMetadataKeys }) => ({
        data: inputData.string === undefined ? {} : { string: inputData.string },
        metadata: triggerMetadataKeys.map((key) => (key.startsWith('activityTrigger') ? 'binding' : key)).sort(),
      })),
    );
  });

  test('results of every recorded type come back to the orchestrator', async () => {
    const calls = readRecording<{ acts: RecordedCall[] }>('activities').acts.filter((call) => call.response.status === 'success');
    const values = calls.map((call) => call.response.returned);
    const host = await startFixture(() => {
      df.app.activity('give', { handler: (input: unknown) => values[(input as { index: number }).index] });
      df.app.orchestration('take', function* (context: OrchestrationContext) {
        return { got: (yield context.df.callActivity('give', context.df.getInput())) as unknown };
      });
    });

    for (const [index, value] of values.entries()) expect((await host.run('take', { index })).output).toEqual({ got: value ?? null });
    await host.close();
  });

  test('entities receive their batches as recorded', async () => {
    interface Batch {
      triggerInput: {
        self: { name: string; key: string };
        exists: boolean;
        state: string | null;
        batch: { name: string; input: string | null; isSignal: boolean }[];
      };
      response: {
        returned: {
          results: { isError: boolean; result?: string }[];
          signals: unknown[];
          entityExists: boolean;
          entityState?: string | null;
        };
      };
    }
    const batches = readRecording<{ ents: Batch[] }>('entities').ents;
    const app = await loadFunctionApp(() => registerLab([], { failureDetails: false }));

    for (const { triggerInput, response } of batches) {
      const binding = app.functions.get('counter')?.bindings[0]?.name ?? '';
      const { returnValue } = await app.invoke('counter', { inputs: [{ name: binding, data: { string: JSON.stringify(triggerInput) } }] });
      const answer = JSON.parse(returnValue?.json ?? '') as Batch['response']['returned'];
      const bare = (returned: Batch['response']['returned']): unknown => ({
        ...returned,
        results: returned.results.map(({ isError, result }) => ({ isError, result })),
        entityState: returned.entityState ?? null,
      });
      expect(bare(answer)).toEqual(bare(response.returned));
    }
  });

  test('the engine makes the recorded batches from signals and calls', async () => {
    const seen: Record<string, unknown>[] = [];
    const app = await loadFunctionApp(() => registerLab([readRecording('entity-call').orchestrator ?? ''], { failureDetails: false }));
    const observed = observe(app, 'entityTrigger', (data) => {
      const { batch, ...rest } = JSON.parse(data.string ?? '') as { batch: { id: string }[] };
      seen.push({ ...rest, batch: batch.map(({ id, ...request }) => ({ ...request, hasId: /^[0-9a-f-]{36}$/.test(id) })) });
    });
    const host = await startFixture(() => undefined, { app: observed, profile: 'ext-3.14' });
    await host.run('useEntity', { key: 'k1' });
    await host.close();

    const recorded = readRecording<{ ents: { triggerInput: Record<string, unknown> & { batch: { id: string }[] } }[] }>(
      'entities',
    ).ents.slice(0, 2);
    expect(seen).toEqual(
      recorded.map(({ triggerInput }) => ({
        ...triggerInput,
        batch: triggerInput.batch.map(({ id: _id, ...request }) => ({ ...request, hasId: true })),
      })),
    );
  });

  test('a durableClient binding receives the recorded URLs', () => {
    const { inputData } = readRecording<{ inputData: { name: string; data: RpcTypedData }[] }>('http-and-durableClient');
    const recorded = JSON.parse(inputData.find(({ name }) => name.startsWith('durableClient'))?.data.string ?? '{}') as Record<
      string,
      unknown
    >;

    const made = JSON.parse(
      clientBindingData('http://localhost:7071', { hubName: 'LabHub', systemKey: 'REDACTED' }).string ?? '',
    ) as Record<string, unknown>;

    // The real host answers the SDK's own calls on a port of its own; here it is the same server.
    expect({ ...made, rpcBaseUrl: 'http://127.0.0.1:17071/durabletask/' }).toEqual(recorded);
    expect(made['rpcBaseUrl']).toBe('http://127.0.0.1:7071/durabletask/');
  });
});
