// Starting and steering stories: the durable client as the product needs it. Starts are named; nobody starts an arbitrary orchestrator.
export type StoryToStart = 'land' | 'adopt' | 'retrain' | 'refine' | 'train' | 'sweep' | 'promote' | 'extract';

export interface Starter {
  /** `exists` when an instance of this id is there already, whatever its state: the first start holds. */
  start(story: StoryToStart, instanceId: string, input: Record<string, unknown>): Promise<'started' | 'exists'>;
  /** Sends an external event to an instance; `nobody` when it is over or was never started: there is no one to hear it. */
  raise(instanceId: string, event: string, data: Record<string, unknown>): Promise<'sent' | 'nobody'>;
}
