// Waits until a training may begin: looks at the queue of its pipeline, and continues as new so that days of waiting keep a short history.
import type { OrchestrationContext } from 'durable-functions';
import { AwaitTurnInput } from '../shared/contracts/stories.ts';
import { jittered, nextWait } from '../shared/decisions/durations.ts';
import type { Story } from './kit/call.ts';
import { sleep } from './kit/time.ts';
import { lookForTurn, type TurnEnd } from './kit/turn.ts';

const LOOKS_PER_EXECUTION = 25;
const MAX_WAIT_SECONDS = 300;

export function* awaitTurn(context: OrchestrationContext): Story<TurnEnd | null> {
  let input = AwaitTurnInput.parse(context.df.getInput());
  for (let looks = 0; looks < LOOKS_PER_EXECUTION; looks += 1) {
    yield* sleep(context, jittered(input.waitSeconds, context.df.instanceId, input.looks));
    const answer = yield* lookForTurn(context, input);
    if (answer.kind === 'granted') return { kind: 'granted' };
    if (answer.kind === 'give-way') return { kind: 'give-way', to: answer.to };
    context.df.setCustomStatus({ behind: answer.holder, ahead: answer.ahead });
    input = { ...input, looks: input.looks + 1, waitSeconds: nextWait(input.waitSeconds, MAX_WAIT_SECONDS) };
  }
  context.df.continueAsNew(input);
  return null;
}
