// A message arrived in the queue: every event in it is taken in.
import type { Store } from '../../shared/ports/lake.ts';
import type { Starter } from '../../shared/ports/starter.ts';
import { createIntake, type Intake, type IntakeDeps } from './intake.ts';
import { type MessageDeps, type MessageLog, rawText, takeMessage } from './message.ts';

export type { Deserialized, OtherEvent } from './message.ts';

export interface LandingDeps extends IntakeDeps {
  store: Store;
  deserialize: MessageDeps['deserialize'];
  /** Shared with other ways in; made here without it. */
  intake?: Intake;
}

/** Queue message in, ledger rows and started instances out. Throws only for what another delivery may mend. */
export function dataLanded(deps: LandingDeps) {
  const messages: MessageDeps = { ...deps, intake: deps.intake ?? createIntake(deps) };
  return async (message: unknown, starter: Starter, log: MessageLog): Promise<void> => {
    await takeMessage(messages, rawText(message), { foundBy: 'queue' }, starter, log);
  };
}
