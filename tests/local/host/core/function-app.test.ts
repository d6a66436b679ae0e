// Loading an app unchanged: registration, hooks, logs, and the ways in which an app can be wrong.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { app } from '@azure/functions';
import * as df from 'durable-functions';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadFunctionApp } from '../../../../local/host/core/function-app.ts';
import type { LogEntry } from '../../../../local/host/core/log.ts';

let folder: string;
const root = fileURLToPath(new URL('../../../../', import.meta.url));

beforeAll(() => {
  // Inside the repository, so that the app finds its packages.
  folder = mkdtempSync(join(root, 'node_modules/.function-app-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('an app', () => {
  test('registers its functions with their bindings', async () => {
    const loaded = await loadFunctionApp(() => {
      app.http('hello', { route: 'hi/{name}', methods: ['GET'], authLevel: 'function', handler: () => ({ body: 'hi' }) });
      app.timer('tick', {
        schedule: '0 * * * * *',
        retry: { strategy: 'fixedDelay', delayInterval: { seconds: 5 }, maxRetryCount: 3 },
        handler: () => undefined,
      });
      df.app.activity('act', { handler: () => 1 });
    });

    expect([...loaded.functions.keys()]).toEqual(['hello', 'tick', 'act']);
    expect(loaded.find('HELLO')?.bindings).toMatchObject([
      { type: 'httpTrigger', direction: 'in', route: 'hi/{name}', methods: ['GET'], authLevel: 'function' },
      { type: 'http', direction: 'out', name: '$return' },
    ]);
    expect(loaded.find('tick')?.retryOptions).toMatchObject({ maxRetryCount: 3 });
  });

  test('answers an HTTP invocation', async () => {
    const loaded = await loadFunctionApp(() => {
      app.http('echo', {
        handler: async (request) => ({ status: 201, headers: { 'x-method': request.method }, jsonBody: { got: await request.json() } }),
      });
    });
    const binding = loaded.functions.get('echo')?.bindings[0]?.name ?? '';

    const { returnValue } = await loaded.invoke('echo', {
      inputs: [
        {
          name: binding,
          data: {
            http: { method: 'POST', url: 'http://localhost/api/echo', headers: {}, params: {}, query: {}, body: { string: '{"a":1}' } },
          },
        },
      ],
    });

    expect(returnValue?.http).toMatchObject({ statusCode: '201', headers: { 'x-method': 'POST' } });
    const body = returnValue?.http?.body;
    expect(Buffer.from(body?.bytes ?? []).toString()).toBe('{"got":{"a":1}}');
  });

  test('runs hooks around every invocation, which may change inputs, handler, result and error', async () => {
    const order: string[] = [];
    const loaded = await loadFunctionApp(() => {
      app.hook.appStart(() => void order.push('start'));
      app.hook.appTerminate(() => void order.push('terminate'));
      app.hook.preInvocation((context) => {
        order.push('pre');
        context.hookData['mark'] = 'from pre';
        context.inputs = [(context.inputs[0] as number) + 1];
      });
      app.hook.postInvocation((context) => {
        order.push(`post ${String(context.hookData['mark'])}`);
        if (context.error) {
          context.error = null;
          context.result = 'mended';
        }
      });
      df.app.activity('act', {
        handler: (n: unknown) => {
          order.push(`run ${String(n)}`);
          if (n === 11) throw new Error('eleven');
          return n;
        },
      });
    });
    const binding = loaded.functions.get('act')?.bindings[0]?.name ?? '';
    await loaded.start();

    const good = await loaded.invoke('act', { inputs: [{ name: binding, data: { string: '1' } }] });
    const mended = await loaded.invoke('act', { inputs: [{ name: binding, data: { string: '10' } }] });
    await loaded.stop();

    expect([good.returnValue, mended.returnValue]).toEqual([{ int: 2 }, { string: 'mended' }]);
    expect(order).toEqual(['start', 'pre', 'run 2', 'post from pre', 'pre', 'run 11', 'post from pre', 'terminate']);
    expect(loaded.hooks).toEqual({ appStart: 1, appTerminate: 1, preInvocation: 1, postInvocation: 1 });
    await expect(loaded.invoke('act', { inputs: [] })).rejects.toThrow(/was not run: the app has been stopped/);
  });

  test('logs with levels, names and ids', async () => {
    const logs: LogEntry[] = [];
    const loaded = await loadFunctionApp(
      () => {
        app.hook.log((context) => {
          context.message = context.message.replace('secret', '***');
        });
        df.app.activity('talk', {
          handler: (_input, context) => {
            context.trace('t');
            context.debug('d');
            context.info('i %d', 7);
            context.warn('w');
            context.error('the secret');
          },
        });
      },
      { log: (entry) => logs.push(entry) },
    );
    const binding = loaded.functions.get('talk')?.bindings[0]?.name ?? '';

    const { invocationId } = await loaded.invoke('talk', { inputs: [{ name: binding, data: {} }] });

    const said = logs.filter((entry) => entry.category === 'user');
    expect(said.map(({ level, message }) => [level, message])).toEqual([
      ['trace', 't'],
      ['debug', 'd'],
      ['information', 'i 7'],
      ['warning', 'w'],
      ['error', 'the ***'],
    ]);
    expect(said.every((entry) => entry.functionName === 'talk' && entry.invocationId === invocationId)).toBe(true);
  });

  test('gives the handler’s own error', async () => {
    const error = new Error('mine');
    const loaded = await loadFunctionApp(() => {
      df.app.activity('throws', { handler: () => Promise.reject(error) });
    });
    const binding = loaded.functions.get('throws')?.bindings[0]?.name ?? '';

    await expect(loaded.invoke('throws', { inputs: [{ name: binding, data: {} }] })).rejects.toBe(error);
    await expect(loaded.invoke('nobody', { inputs: [] })).rejects.toThrow("no function is called 'nobody'; there are: throws");
  });
});

describe('an app that is wrong', () => {
  test('throws at import', async () => {
    const path = file('throws.mjs', "import { app } from '@azure/functions';\nthrow new Error('no database');\n");

    await expect(loadFunctionApp(path)).rejects.toThrow(`${path} could not be loaded: no database`);
  });

  test('does not exist', async () => {
    await expect(loadFunctionApp(join(folder, 'missing.mjs'))).rejects.toThrow(/missing\.mjs could not be loaded: Cannot find module/);
  });

  test('has two functions of one name, whatever their case', async () => {
    await expect(
      loadFunctionApp(() => {
        df.app.activity('same', { handler: () => 1 });
        df.app.activity('Same', { handler: () => 2 });
      }),
    ).rejects.toThrow(
      "the app could not be loaded: two functions are called 'Same' and 'same' (case does not count). Give each its own name.",
    );
  });

  test('registers nothing', async () => {
    await expect(loadFunctionApp(() => undefined)).rejects.toThrow(/registered no function\. Check that package\.json "main"/);
  });

  test('registers too late', async () => {
    await loadFunctionApp(() => void df.app.activity('first', { handler: () => 1 }));

    expect(() => df.app.activity('late', { handler: () => 1 })).toThrow(/registering 'late' was called outside loadFunctionApp/);
  });
});

describe('a built app', () => {
  const source =
    "import { app } from '@azure/functions';\nimport * as df from 'durable-functions';\ndf.app.activity('built', { handler: (n) => n * 2 });\napp.http('page', { handler: () => ({ body: 'x' }) });\n";

  const doubled = async (path: string): Promise<unknown> => {
    const loaded = await loadFunctionApp(path);
    const binding = loaded.functions.get('built')?.bindings[0]?.name ?? '';
    return (await loaded.invoke('built', { inputs: [{ name: binding, data: { string: '21' } }] })).returnValue;
  };

  test('as an ES module', async () => {
    expect(await doubled(file('plain.mjs', source))).toEqual({ int: 42 });
  });

  test('as CommonJS', async () => {
    const text = "const df = require('durable-functions');\ndf.app.activity('built', { handler: (n) => n * 2 });\n";
    expect(await doubled(file('plain.cjs', text))).toEqual({ int: 42 });
  });

  test('as one ES module bundle with a createRequire banner, loaded twice', async () => {
    const entry = file('entry.mjs', source);
    const bundled = join(folder, 'bundle.mjs');
    await build({
      entryPoints: [entry],
      outfile: bundled,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      external: ['@azure/functions-core'],
      banner: { js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);" },
      logLevel: 'silent',
    });

    expect(await doubled(bundled)).toEqual({ int: 42 });
    expect(await doubled(bundled)).toEqual({ int: 42 });
  }, 30_000);
});
