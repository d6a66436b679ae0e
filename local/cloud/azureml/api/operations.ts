// Long operations: 202 or 201 with `Location`, `Azure-AsyncOperation` and `Retry-After`, and the two routes to ask (facts/azure.md §1.5).
// An operation ends when its work is done and the clock has passed its due time.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../kit/clock.ts';
import { json } from '../../kit/body.ts';
import type { State } from '../../kit/state.ts';
import type { OperationRecord } from '../model.ts';
import { ArmError } from './arm-error.ts';

/** What a polling client gets told to wait, seconds. */
const RETRY_AFTER = '1';
const TIMEOUT = 'PT1H';
const PATH =
  /^\/subscriptions\/([^/]+)\/providers\/Microsoft\.MachineLearningServices\/locations\/([^/]+)\/mfeOperation(Results|sStatus)\/([^/]+)$/i;

/** Starts and tells of long operations. */
export interface Operations {
  /**
   * Starts one about a resource; `work` may be undefined where nothing is left to do. Gives the headers of the answer.
   * What `work` throws becomes the operation's error.
   */
  start(
    call: { readonly url: URL; readonly apiVersion: string },
    resource: string,
    region: string,
    work?: () => Promise<void>,
  ): Record<string, string>;
  /** Answers a question about an operation; undefined when the path is not one. */
  answer(url: URL): Response | undefined;
  /** Whether a path is a question about an operation. */
  isOperation(pathname: string): boolean;
  /** Resolves when no work is under way. */
  idle(): Promise<void>;
}

/** Opens the operations; those that were under way when the stand-in died are Failed. */
export function createOperations(
  state: State<OperationRecord[]>,
  clock: Clock,
  options: { readonly subscriptionId: string; readonly delayMs: number },
): Operations {
  const working = new Map<string, Promise<void>>();
  for (const record of state.value.filter((operation) => operation.state === 'InProgress')) {
    record.state = 'Failed';
    record.error = { code: 'InternalServerError', message: 'The stand-in ended while the operation was under way.' };
  }

  const settled = (record: OperationRecord): boolean => record.state !== 'InProgress' && clock.now() >= record.dueAt;
  const find = (id: string): OperationRecord => {
    const record = state.value.find((operation) => operation.id === id);
    if (!record) throw new ArmError(404, 'NotFound', `The operation '${id.slice(0, 100)}' was not found.`);
    return record;
  };

  return {
    start({ url, apiVersion }, resource, region, work) {
      const now = clock.now();
      const record: OperationRecord = { id: randomUUID(), startedAt: now, dueAt: now + options.delayMs, state: 'InProgress', resource };
      state.update((operations) => operations.push(record));
      const finish = (outcome: Pick<OperationRecord, 'state' | 'error'>) => {
        Object.assign(record, outcome, { endedAt: Math.max(clock.now(), record.dueAt) });
        state.save();
        working.delete(record.id);
      };
      if (work) {
        const done = work().then(
          () => {
            finish({ state: 'Succeeded' });
          },
          (error: unknown) => {
            const code = error instanceof ArmError ? error.code : 'InternalServerError';
            finish({ state: 'Failed', error: { code, message: error instanceof Error ? error.message : String(error) } });
          },
        );
        working.set(record.id, done);
      } else finish({ state: 'Succeeded' });
      const base = `${url.origin}/subscriptions/${options.subscriptionId}/providers/Microsoft.MachineLearningServices/locations/${region}`;
      return {
        location: `${base}/mfeOperationResults/${record.id}?api-version=${apiVersion}`,
        'azure-asyncoperation': `${base}/mfeOperationsStatus/${record.id}?api-version=${apiVersion}`,
        'retry-after': RETRY_AFTER,
        'x-ms-async-operation-timeout': TIMEOUT,
      };
    },
    isOperation: (pathname) => PATH.test(pathname),
    answer(url) {
      const [, , , kind = '', id] = PATH.exec(url.pathname) ?? [];
      if (id === undefined) return undefined;
      const record = find(id);
      const done = settled(record);
      if (kind.toLowerCase() === 'results') {
        if (!done) return new Response(null, { status: 202, headers: { location: url.href, 'retry-after': RETRY_AFTER } });
        if (record.state === 'Succeeded') return new Response(null, { status: 204 });
        throw new ArmError(409, record.error?.code ?? 'OperationFailed', record.error?.message ?? 'The operation failed.');
      }
      return json(
        {
          id: url.pathname,
          name: record.id,
          status: done ? record.state : 'InProgress',
          startTime: new Date(record.startedAt).toISOString(),
          ...(done && record.endedAt !== undefined ? { endTime: new Date(record.endedAt).toISOString() } : {}),
          ...(done && record.error ? { error: record.error } : {}),
        },
        200,
        done ? {} : { 'retry-after': RETRY_AFTER },
      );
    },
    async idle() {
      await Promise.allSettled(working.values());
    },
  };
}
