// Adapters are loaded when they are first used, so that a cold start pays for the Functions SDKs and little else.

/** A port whose implementation is loaded on its first call. Every member of the port must be an async function. */
export function lazily<Port extends object>(load: () => Promise<Port>): Port {
  let loading: Promise<Port> | undefined;
  return new Proxy({} as Port, {
    get(_target, member) {
      // Promise resolution asks every object for `then`.
      if (member === 'then' || typeof member === 'symbol') return undefined;
      return async (...args: unknown[]): Promise<unknown> => {
        loading ??= load();
        try {
          const port = await loading;
          return await (port[member as keyof Port] as (...given: unknown[]) => unknown).call(port, ...args);
        } catch (error) {
          // A failed load (storage away at the first call) must not stay failed for ever.
          await loading?.catch(() => (loading = undefined));
          throw error;
        }
      };
    },
  });
}

/** Runs a loader once; a failure is not remembered. */
export function once<Value>(load: () => Promise<Value>): () => Promise<Value> {
  let loading: Promise<Value> | undefined;
  return () => {
    loading ??= load().catch((error: unknown) => {
      loading = undefined;
      throw error;
    });
    return loading;
  };
}
