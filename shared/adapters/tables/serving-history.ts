// What served where and since when, in table `serving`.
//   PK endpoint with `/` as `:`, RK <inverted ms>-<promotion id>   newest first, so "what served at T" is the first row from T on
//   PK ~endpoints, RK endpoint                                     index: every endpoint that ever served
import { ServingEntry } from '../../contracts/runs.ts';
import type { ServingHistory } from '../../ports/stores.ts';
import { RejectedError } from '../../errors/errors.ts';
import { inverted } from './newest-first.ts';
import { pack, unpack } from './row.ts';
import type { Table } from './table.ts';

const MAX_ENDPOINTS = 1000;
const END = '~';

export function createServingHistory(table: Table): ServingHistory {
  async function from(endpoint: string, start: string, limit: number): Promise<ServingEntry[]> {
    const key = endpointKey(endpoint);
    if (key === null) return [];
    const rows = await table.range(key, { from: start, to: END }, limit);
    return rows.map((row) => unpack(row, ServingEntry));
  }

  return {
    async record(entry) {
      const key = endpointKey(entry.endpoint);
      if (key === null) throw new RejectedError('endpoint-name', `"${entry.endpoint}" is not <platform>/<region>/<name>`);
      await table.put({ partitionKey: '~endpoints', rowKey: key, endpoint: entry.endpoint });
      const rowKey = `${inverted(entry.since)}-${entry.promotionId}`;
      await table.insert({ partitionKey: key, rowKey, ...pack(entry, `Serving entry of ${entry.endpoint}`) });
    },

    async at(endpoint, instant) {
      return (await from(endpoint, instant === undefined ? '0' : inverted(instant), 1))[0] ?? null;
    },

    async current() {
      const endpoints = await table.range('~endpoints', null, MAX_ENDPOINTS);
      const newest = await Promise.all(endpoints.map(async (row) => (await from(String(row['endpoint']), '0', 1))[0] ?? null));
      return newest.filter((entry) => entry !== null);
    },

    async history(endpoint, limit) {
      return from(endpoint, '0', limit);
    },
  };
}

/** Keys may not hold `/`, and no part of an endpoint holds `:`; null when it is no endpoint. */
function endpointKey(endpoint: string): string | null {
  return /^[a-z0-9-]+(\/[a-z0-9-]+){2}$/.test(endpoint) ? endpoint.replaceAll('/', ':') : null;
}
