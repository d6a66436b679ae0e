// Tables that a pipeline had under other names: sluice.yaml names them no more, but a person's rows may still lie in them.
import type { ContainerClient } from '@azure/storage-blob';
import type { Commit } from '../../../contracts/tables.ts';
import { workTable, type WorkTable } from '../delta/table-files.ts';
import { blobStorage } from '../delta/table-storage.ts';
import { CALL_MS, storageError } from '../storage.ts';
import type { Duck } from './duck.ts';
import type { Tables } from './work.ts';

const LAYERS = ['silver', 'gold', 'quarantine'] as const satisfies readonly Commit['layer'][];

export interface FormerTable {
  layer: (typeof LAYERS)[number];
  table: WorkTable;
}

/** The folders of the pipeline's layers that are none of its present tables. One that holds no Delta table has no snapshot. */
export async function formerTables(duck: Duck, container: ContainerClient, pipeline: string, present: Tables): Promise<FormerTable[]> {
  const known = new Set(LAYERS.map((layer) => present[layer].root));
  const found: FormerTable[] = [];
  for (const layer of LAYERS) {
    const prefix = `${layer}/${pipeline}/`;
    try {
      for await (const item of container.listBlobsByHierarchy('/', { prefix, abortSignal: AbortSignal.timeout(5 * CALL_MS) })) {
        if (item.kind !== 'prefix' || known.has(item.name)) continue;
        const name = item.name.slice(prefix.length, -1);
        found.push({ layer, table: workTable(duck, blobStorage(container), layer, name, item.name) });
      }
    } catch (error) {
      throw storageError(error, `${container.containerName}/${prefix}`);
    }
  }
  return found;
}
