// Where lineage goes: a governance tool that takes OpenLineage events, or a file.
import type { LineageEvent } from '../contracts/lineage.ts';

export interface LineageSink {
  /** Hands over one event; the same event twice is the same to the receiver (run id and type). Throws TransientError where another try may help. */
  emit(event: LineageEvent): Promise<void>;
}
