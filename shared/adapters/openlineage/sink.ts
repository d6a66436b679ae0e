// Port LineageSink: OpenLineage events to an HTTP endpoint (as its own clients send them) or to a file of one JSON object a line.
import { appendFile, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { LineageEvent } from '../../contracts/lineage.ts';
import { RejectedError, TransientError } from '../../errors/errors.ts';
import type { LineageSink } from '../../ports/lineage.ts';

export interface EndpointOptions {
  /** Full address, e.g. `https://governance.internal/api/v1/lineage`. */
  url: string;
  /** Bearer token for each call; null sends none. Never logged. */
  getToken: () => Promise<string | null>;
  /** Limit of one call (default 10 000 ms). */
  timeoutMs?: number;
}

export function createLineageEndpoint(options: EndpointOptions): LineageSink {
  const { origin } = new URL(options.url);
  return {
    async emit(event) {
      const token = await options.getToken();
      let response: Response;
      try {
        response = await fetch(options.url, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
          body: JSON.stringify(event),
          redirect: 'error',
          signal: AbortSignal.timeout(options.timeoutMs ?? 10_000),
        });
      } catch (error) {
        throw new TransientError('lineage-unavailable', `The lineage endpoint at ${origin} did not answer: ${(error as Error).name}`);
      }
      await response.body?.cancel();
      if (response.ok) return;
      const text = `The lineage endpoint at ${origin} answered ${response.status} to ${nameOf(event)}`;
      if (response.status >= 500 || response.status === 408 || response.status === 429)
        throw new TransientError('lineage-unavailable', text);
      throw new RejectedError('lineage-refused', `${text}; look at SLUICE_LINEAGE_URL and at what the identity may do there`);
    },
  };
}

/** One line is one write: two processes that append to one file do not mix their lines. */
export function createLineageFile(path: string): LineageSink {
  let folder: Promise<unknown> | undefined;
  return {
    async emit(event) {
      folder ??= mkdir(dirname(path), { recursive: true });
      try {
        await folder;
        await appendFile(path, `${JSON.stringify(event)}\n`, { flag: 'a' });
      } catch (error) {
        folder = undefined;
        throw new TransientError(
          'lineage-unavailable',
          `${nameOf(event)} could not be written to the lineage file: ${(error as Error).message}`,
        );
      }
    },
  };
}

function nameOf(event: LineageEvent): string {
  return `${event.eventType} of ${event.run.facets.sluice_run.runId}`;
}
