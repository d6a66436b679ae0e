// A promotion that a person asked for over HTTP, as the API leaves it: an opened run, and the input that its story starts with.
import type { PromoteInput } from '../../shared/contracts/stories.ts';
import { instanceId, promoteKey } from '../../shared/decisions/identity.ts';
import { PIPELINE, type StoryWorld } from './story-host.ts';

/** Opens the run of the given request (from 1) for the newest model. */
export async function personPromotion(world: StoryWorld, request: number): Promise<PromoteInput> {
  const [model] = await world.models.list(PIPELINE, 1);
  if (!model) throw new Error('no model is registered');
  const { modelDigest } = model;
  const key = promoteKey({ modelDigest, environment: 'dev', request });
  const runId = instanceId('promote', PIPELINE, key, 1);
  const contractDigest = world.version.digest;
  const input: PromoteInput = { pipeline: PIPELINE, contractDigest, policy: world.policy, runId, key, environment: 'dev', modelDigest };
  await world.runs.open({
    runId,
    story: 'promote',
    pipeline: PIPELINE,
    contractDigest,
    key,
    attempt: 1,
    instanceId: runId,
    owner: runId,
    cause: { kind: 'person', ref: 'ada' },
    status: 'running',
    phase: 'opened',
    startedAt: new Date(world.now()).toISOString(),
    finishedAt: null,
    input: { ...input },
    failure: null,
    jobs: [],
    refined: null,
    trained: null,
    promoted: null,
    next: [],
    seconds: {},
  });
  return input;
}
