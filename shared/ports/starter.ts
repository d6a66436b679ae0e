// Starting, steering and ending stories: the durable client as the product needs it. Starts are named; nobody starts an arbitrary orchestrator.
export type StoryToStart = 'land' | 'refine' | 'train' | 'promote';

export interface Starter {
  /** `exists` when an instance of this id is there already, whatever its state: the first start holds. */
  start(story: StoryToStart, instanceId: string, input: Record<string, unknown>): Promise<'started' | 'exists'>;
  /** Sends an external event to a running instance; a finished or unknown one is left alone. */
  raise(instanceId: string, event: string, data: Record<string, unknown>): Promise<void>;
  /** Ends an instance at once, without compensation. The reason must be words (facts/durable.md §2.9 item 13). */
  terminate(instanceId: string, reason: string): Promise<void>;
}
