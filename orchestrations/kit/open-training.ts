// Opening a training on one version of gold: after refining, after somebody else's commit, or because a signal asks for it.
import type { OrchestrationContext } from 'durable-functions';
import { readPlan } from '../../shared/contracts/activities/runs.ts';
import type { Cause } from '../../shared/contracts/runs.ts';
import type { Policy } from '../../shared/contracts/stories.ts';
import { againKey } from '../../shared/decisions/dataset-keys.ts';
import { trainKey } from '../../shared/decisions/identity.ts';
import { type Refused, refusedWork } from './breaker.ts';
import { call, type Story } from './call.ts';
import { open, type Opened } from './run.ts';

export interface Gold {
  table: string;
  path: string;
  version: number;
  digest: string;
}

export interface NewTraining {
  pipeline: string;
  contractDigest: string;
  policy: Policy;
  limited: boolean;
  gold: Gold;
  cause: Cause;
  /** The entry of a signal whose policy is to train again on what was trained on already. */
  again?: string;
}

/** The opened run, ours or somebody's; or why the breaker refuses it. */
export function* openTraining(context: OrchestrationContext, work: NewTraining): Story<{ opened: Opened } | { refused: Refused }> {
  const { pipeline, contractDigest, policy, cause } = work;
  const { table, path, version, digest } = work.gold;
  const { specDigest } = yield* call(context, readPlan, { pipeline, contractDigest });
  const once = trainKey({ pipeline, goldDigest: digest, specDigest });
  const key = work.again === undefined ? once : againKey(once, work.again);
  const refused = yield* refusedWork(context, work, 'training', key);
  if (refused) return { refused };
  const input = { pipeline, contractDigest, policy, gold: { table, path, version, digest }, specDigest };
  return { opened: yield* open(context, 'train', { pipeline, contractDigest, key, cause, input }) };
}
