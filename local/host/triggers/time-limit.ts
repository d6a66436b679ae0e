// `functionTimeout` of host.json for every invocation, whoever starts it: triggers and the Durable engine alike.
// A handler cannot be interrupted: when its time is up the invocation counts as failed and the handler is left alone.
import { randomUUID } from 'node:crypto';
import type { FunctionApp, Invocation } from '../core/function-app.ts';
import { formatTimeSpan } from '../config/time-span.ts';

/** Node fires timers above 2^31-1 ms at once; longer limits are cut to it (24 days). */
const LONGEST_TIMER_MS = 2_147_483_647;

/** The same app, whose invocations fail after `limitMs` of real time; `undefined` = no limit. */
export function withTimeLimit(app: FunctionApp, limitMs: number | undefined): FunctionApp {
  if (limitMs === undefined) return app;
  return {
    functions: app.functions,
    capabilities: app.capabilities,
    get hooks() {
      return app.hooks;
    },
    find: (name) => app.find(name),
    start: () => app.start(),
    stop: () => app.stop(),
    invoke: (name, request) => {
      const invocationId = request.invocationId ?? randomUUID();
      return limited(app.invoke(name, { ...request, invocationId }), name, invocationId, limitMs);
    },
  };
}

async function limited(invocation: Promise<Invocation>, name: string, invocationId: string, limitMs: number): Promise<Invocation> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<never>((_resolve, reject) => {
    const text = `Timeout value of ${formatTimeSpan(limitMs)} exceeded by function 'Functions.${name}' (Id: '${invocationId}'). See "functionTimeout" in host.json.`;
    timer = setTimeout(() => reject(new Error(text)), Math.min(limitMs, LONGEST_TIMER_MS));
    timer.unref();
  });
  try {
    return await Promise.race([invocation, timeUp]);
  } finally {
    clearTimeout(timer);
  }
}
