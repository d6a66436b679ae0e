// The app that the recordings were made with: its orchestrators come from the recordings themselves, its activities and its entity are these.
import * as df from 'durable-functions';
import type { EntityContext, OrchestrationContext } from 'durable-functions';

/** The app's own error, with members that an exception properties provider can hand on. */
export class AppError extends Error {
  readonly code: string;
  readonly retryable = false;
  readonly nested = { a: 1 };
  constructor(message: string, code: string) {
    super(message);
    this.name = 'AppError';
    this.code = code;
  }
}

export interface LabOptions {
  /** Registers the exception properties provider, which turns on failure details. */
  failureDetails: boolean;
}

/** Registers the lab's functions and the orchestrators given as source. */
export function registerLab(sources: readonly string[], options: LabOptions): void {
  const attempts = new Map<string, number>();
  const provider = {
    getExceptionProperties: (error: unknown) =>
      error instanceof AppError ? { code: error.code, retryable: error.retryable, nested: error.nested } : undefined,
  };
  // The SDK keeps one provider per process; undefined takes an earlier one away.
  df.app.setExceptionPropertiesProvider(options.failureDetails ? provider : undefined);
  df.app.activity('hello', { handler: (name: unknown) => `Hello ${String(name)}` });
  df.app.activity('obj', { handler: (input: unknown) => ({ got: input, at: 1 }) });
  df.app.activity('nothing', { handler: () => undefined });
  df.app.activity('num', { handler: (n: unknown) => (n as number) * 2 });
  df.app.activity('alwaysFail', {
    handler: (input: unknown) => {
      throw new AppError(`always fails: ${JSON.stringify(input)}`, 'E_ALWAYS');
    },
  });
  df.app.activity('flaky', {
    handler: (input: unknown) => {
      const { id, failures } = input as { id: string; failures: number };
      const attempt = (attempts.get(id) ?? 0) + 1;
      attempts.set(id, attempt);
      if (attempt <= failures) throw new Error(`flaky attempt ${attempt} of ${id}`);
      return { attempts: attempt };
    },
  });
  df.app.entity('counter', (context: EntityContext<number>) => {
    const value = context.df.getState(() => 0) ?? 0;
    switch (context.df.operationName) {
      case 'add': {
        const sum = value + (context.df.getInput<number>() ?? 0);
        context.df.setState(sum);
        context.df.return(sum);
        break;
      }
      case 'get':
        context.df.return(value);
        break;
      case 'set':
        context.df.setState(context.df.getInput<number>() ?? 0);
        break;
      default:
        context.df.setState(999);
        throw new Error('entity boom');
    }
  });
  df.app.orchestration('child', function* (context: OrchestrationContext) {
    const input = context.df.getInput<{ name?: string; fail?: boolean }>();
    if (input.fail === true) throw new Error('child failed on purpose');
    const r = (yield context.df.callActivity('hello', input.name)) as string;
    return { r, parent: context.df.parentInstanceId, id: context.df.instanceId };
  });
  df.app.orchestration('verKid', function* (context: OrchestrationContext) {
    return context.df.version;
  });
  for (const source of sources) {
    // The recordings hold the statement that registered the orchestrator.
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the source is a checked-in recording
    const run = new Function('df', 'AppError', source) as (sdk: typeof df, error: typeof AppError) => void;
    run(df, AppError);
  }
}
