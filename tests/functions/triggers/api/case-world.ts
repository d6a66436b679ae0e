// A pipeline "p" whose only dataset set two rows aside, with the real tables in this process: the parts that an API is made of.
import { createErasureEngine } from '../../../../shared/adapters/lake/refine/erasure.ts';
import { createQuarantineCases } from '../../../../shared/adapters/lake/refine/quarantine-cases.ts';
import { createWorkshop } from '../../../../shared/adapters/lake/refine/workshop.ts';
import { createMemoryStores } from '../../../../shared/adapters/memory/stores.ts';
import { caseOf } from '../../../../shared/decisions/quarantine.ts';
import { minute } from '../../../contracts/samples.ts';
import { HEADER, makeRig, pipelineOf, rowsOf, sha256 } from '../../../shared/adapters/lake/rig.ts';

/** Two good rows, two that are set aside. */
const CONTENT = `${HEADER}${rowsOf(2)}x,Erika,2024-01-01T10:00:00Z,2\ny,other,2024-01-01T10:00:00Z,3\n`;

export async function caseWorld() {
  const rig = await makeRig();
  const { containerClient } = await rig.service.createContainer('store');
  const stores = createMemoryStores();
  const workshop = createWorkshop({
    blobService: rig.service,
    lakeContainer: rig.name,
    workDir: rig.workDir,
    memoryLimit: '256MB',
    threads: 1,
  });
  const version = pipelineOf({ source: { badRows: 'quarantine' } });
  await stores.pipelines.put(version, { file: '', sql: {}, images: {} }, 'ada', minute(0));
  const key = sha256('run');
  const files = [await rig.land('bronze/p/a.csv', CONTENT)];
  const refined = await rig.engine.refine({ pipeline: version, key, container: rig.name, files });
  const one = caseOf({ pipeline: 'p', contractDigest: version.digest, key, runId: null, refined, at: minute(0), by: 'sluice' })!;
  await stores.caseStore.open(one);
  const parts = {
    ...stores,
    cases: createQuarantineCases({ workshop, cases: stores.caseStore, store: rig.store }),
    erasure: createErasureEngine({ workshop, store: containerClient }),
  };
  return { rig, parts, id: one.caseId };
}
