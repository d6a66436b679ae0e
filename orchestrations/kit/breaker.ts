// Asking the breaker before work is started; pipelines without limits are spared the question.
import type { OrchestrationContext } from 'durable-functions';
import { admitWork } from '../../shared/contracts/activities/windows.ts';
import { call, type Story } from './call.ts';
import { now } from './time.ts';

export interface Refused {
  cause: string;
  reason: string;
  count: number;
  limit: number;
}

/** Why the work may not start; null when it may. */
export function* refusedWork(
  context: OrchestrationContext,
  work: { pipeline: string; contractDigest: string; limited: boolean },
  kind: 'dataset' | 'training',
  key: string,
): Story<Refused | null> {
  if (!work.limited) return null;
  const { pipeline, contractDigest } = work;
  const answer = yield* call(context, admitWork, { pipeline, contractDigest, kind, key, now: now(context) });
  return answer.admitted ? null : answer;
}
