// Reading datasets: members of windows out of the ledger, lists and manifests out of their kept copies.
import { DataManifest, MAX_MANIFEST_BYTES, parseFileList, remoteOf } from '../../shared/contracts/data-manifest.ts';
import type { CompletenessRule, PipelineVersion } from '../../shared/contracts/pipeline.ts';
import type { WindowMember, WindowRange } from '../../shared/contracts/windows.ts';
import { datasetOf, isManifest, reduceMembers, ruleOf } from '../../shared/decisions/completeness.ts';
import { isOlder } from '../../shared/decisions/ledger-change.ts';
import { windowIdOf } from '../../shared/decisions/window.ts';
import { RejectedError } from '../../shared/errors/errors.ts';
import type { DatasetFile, RemoteFile, Store } from '../../shared/ports/lake.ts';
import type { Ledger } from '../../shared/ports/stores.ts';

const PAGE = 1000;

/** All members of a window, in the order of their entry ids. */
export async function membersOf(ledger: Ledger, window: string): Promise<WindowMember[]> {
  const members: WindowMember[] = [];
  let after: string | undefined;
  do {
    const page = await ledger.members(window, PAGE, after);
    members.push(...page.items);
    after = page.next ?? undefined;
  } while (after !== undefined);
  return members;
}

/** The rule by which a source of the pipeline collects. */
export function ruleOfSource({ spec }: Pick<PipelineVersion, 'spec'>, source: string): CompletenessRule {
  return ruleOf(spec.sources.find(({ name }) => name === source)?.complete ?? spec.complete);
}

/** The files that closed windows make together: of every path the newest version. */
export async function datasetFiles(
  { ledger, store }: { ledger: Ledger; store: Store },
  version: PipelineVersion,
  windows: readonly WindowRange[],
): Promise<DatasetFile[]> {
  const files: DatasetFile[] = [];
  for (const { source, from, to } of windows) {
    const rule = ruleOfSource(version, source);
    const byPath = new Map<string, WindowMember>();
    for (let number = from; number <= to; number += 1) {
      const { newest } = reduceMembers(await membersOf(ledger, windowIdOf(version.name, source, number)));
      for (const member of datasetOf(rule, newest, await listedIn(store, rule, newest)).files) {
        const known = byPath.get(member.path);
        if (!known || !isOlder(member.sequencer, known.sequencer)) byPath.set(member.path, member);
      }
    }
    files.push(...[...byPath.values()].map(({ path, sha256, eTag }) => ({ path, sha256, eTag })));
  }
  return files;
}

/** The paths that the newest manifest of a window lists; null when the rule knows no manifest or it did not come. */
export async function listedIn(store: Store, rule: CompletenessRule, newest: readonly WindowMember[]): Promise<string[] | null> {
  const manifest = newest.filter(({ path }) => isManifest(rule, path)).sort((a, b) => b.ordinal - a.ordinal)[0];
  if (!manifest) return null;
  const listed = parseFileList((await keptManifest(store, manifest.sha256)).toString('utf8'));
  if ('problem' in listed) throw new RejectedError('manifest-invalid', `${manifest.path}: ${listed.problem}`);
  const folder = manifest.path.slice(0, manifest.path.lastIndexOf('/') + 1);
  return listed.files.map((name) => folder + name);
}

/** The files that manifests of the premises name; what two of them say alike is there once. */
export async function remoteFiles(store: Store, manifests: readonly string[]): Promise<RemoteFile[]> {
  const files = new Map<string, RemoteFile>();
  for (const digest of manifests) {
    const manifest = DataManifest.parse(jsonOf(await keptManifest(store, digest)));
    for (const file of remoteOf(manifest)) files.set(`${file.uri}\n${file.sha256}`, file);
  }
  return [...files.values()];
}

/** Keeps what was read under its digest: the next manifest may have the same name before this one's dataset is refined. */
export async function keepManifest(store: Store, sha256: string, content: Uint8Array): Promise<void> {
  await store.create(`manifests/${sha256}`, content, 'application/octet-stream');
}

async function keptManifest(store: Store, sha256: string): Promise<Buffer> {
  const content = await store.read(`manifests/${sha256}`, MAX_MANIFEST_BYTES);
  if (!content)
    throw new RejectedError('manifest-gone', `The manifest ${sha256.slice(0, 12)} is not in the store any more; write it again`);
  return Buffer.from(content);
}

/** undefined when it is not JSON in UTF-8. */
export function jsonOf(content: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(content));
  } catch {
    return undefined;
  }
}
