// Steps on windows: reading what was collected, naming the dataset, giving its members their verdicts, and asking the breaker.
import {
  admitWork,
  checkWindow,
  countListed,
  describeDataset,
  readGold,
  readManifest,
  settleMembers,
  tallyWindow,
} from '../../shared/contracts/activities/windows.ts';
import { DataManifest, manifestProblem, MAX_MANIFEST_BYTES, parseFileList } from '../../shared/contracts/data-manifest.ts';
import { charge } from '../../shared/decisions/breaker.ts';
import { allWritten, completeness, isTimed, reduceMembers, ruleOf, tallyOf } from '../../shared/decisions/completeness.ts';
import { refineKey } from '../../shared/decisions/identity.ts';
import { windowIdOf } from '../../shared/decisions/window.ts';
import { RejectedError } from '../../shared/errors/errors.ts';
import type { BreakerStore } from '../../shared/ports/guards.ts';
import type { Lake, RefineEngine, Store } from '../../shared/ports/lake.ts';
import type { Ledger, PipelineRegistry, RunStore } from '../../shared/ports/stores.ts';
import { pipelineVersion } from './data.ts';
import { datasetFiles, jsonOf, keepManifest, listedIn, membersOf } from './dataset.ts';
import { perform, type Activity } from './kit.ts';
import { settle } from './settle-members.ts';

export interface WindowPorts {
  lake: Lake;
  engine: RefineEngine;
  store: Store;
  ledger: Ledger;
  pipelines: PipelineRegistry;
  runs: RunStore;
  breakers: BreakerStore;
}

export function windowActivities(ports: WindowPorts): Activity[] {
  return [
    perform(tallyWindow, async (asked) => {
      const rule = ruleOf(asked.complete);
      const times = { openedAt: asked.openedAt, lastAt: asked.lastAt };
      // A time completes it, whatever is in it: nothing needs to be read.
      if (isTimed(rule)) return completeness(rule, { files: asked.count, partitions: [], manifest: null, ...times }, asked.now);
      const members = await membersOf(ports.ledger, windowIdOf(asked.pipeline, asked.source, asked.number));
      if (!asked.anyway && !allWritten(asked, members))
        return { state: 'unwritten' as const, written: members.length, counted: asked.count };
      const { newest } = reduceMembers(members);
      const listed = await listedIn(ports.store, rule, newest);
      return completeness(rule, tallyOf(rule, asked.folder, newest, listed, times), asked.now);
    }),

    perform(checkWindow, async ({ window, ...counted }) => {
      const members = await membersOf(ports.ledger, window);
      return { written: members.length, complete: allWritten(counted, members) };
    }),

    perform(describeDataset, async ({ pipeline, contractDigest, windows }) => {
      const version = await pipelineVersion(ports.pipelines, pipeline, contractDigest);
      const files = await datasetFiles(ports, version, windows);
      return { key: refineKey({ pipeline, contractDigest, files }), files: files.length };
    }),

    perform(settleMembers, async ({ pipeline, contractDigest, ...asked }) => {
      const version = await pipelineVersion(ports.pipelines, pipeline, contractDigest);
      return settle(ports, { version, ...asked });
    }),

    perform(readManifest, async ({ pipeline, contractDigest, container, path, eTag }) => {
      const { content, sha256 } = await ports.lake.readSmall(container, path, eTag, MAX_MANIFEST_BYTES);
      const value = jsonOf(content);
      const parsed = DataManifest.safeParse(value);
      if (!parsed.success)
        throw new RejectedError('manifest-invalid', `${path} is no manifest of data: ${manifestProblem(parsed.error, value)}`);
      await keepManifest(ports.store, sha256, content);
      const { dataset, files } = parsed.data;
      const key = refineKey({ pipeline, contractDigest, files: files.map((file) => ({ path: file.uri, sha256: file.sha256 })) });
      return { sha256, bytes: content.byteLength, dataset, files: files.length, key };
    }),

    perform(countListed, async ({ container, path, eTag }) => {
      const { content, sha256 } = await ports.lake.readSmall(container, path, eTag, MAX_MANIFEST_BYTES);
      const listed = parseFileList(Buffer.from(content).toString('utf8'));
      if ('problem' in listed)
        throw new RejectedError('manifest-invalid', `${path} does not say which files make the dataset: ${listed.problem}`);
      await keepManifest(ports.store, sha256, content);
      return { sha256, bytes: content.byteLength, files: listed.files.length };
    }),

    perform(admitWork, async ({ pipeline, contractDigest, kind, key, now }) => {
      // Work that somebody has or had starts nothing, and a retry of what was admitted was counted.
      if ((await ports.runs.attempts(pipeline, key)).length > 0) return { admitted: true as const };
      const { spec } = await pipelineVersion(ports.pipelines, pipeline, contractDigest);
      return ports.breakers.update(pipeline, (breaker) => charge(breaker, pipeline, { kind, key }, spec.limits, now));
    }),

    perform(readGold, async ({ pipeline, contractDigest, version }) => {
      const registered = await pipelineVersion(ports.pipelines, pipeline, contractDigest);
      return { gold: await ports.engine.readGold({ pipeline: registered, ...(version === null ? {} : { version }) }) };
    }),
  ];
}
