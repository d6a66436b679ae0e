// ARM ids below a workspace: versions of assets, computes. Types and place are compared without regard to case, names exactly.
import type { AssetKind, AssetVersion } from './model.ts';
import type { Place } from './execution/locations.ts';
import type { ComputeOptions } from './options.ts';
import type { Assets } from './store.ts';

const BELOW =
  /^\/subscriptions\/([^/]+)\/resourceGroups\/([^/]+)\/providers\/Microsoft\.MachineLearningServices\/workspaces\/([^/]+)\/([^/]+)\/([^/]+)(?:\/versions\/([^/]+))?$/i;

interface Parsed {
  readonly type: string;
  readonly name: string;
  readonly version: string | undefined;
}

/** What an id names, where it lies in the workspace. */
function parse(id: string, here: Place): Parsed | undefined {
  const [, subscription = '', group = '', workspace = '', type = '', name = '', version] = BELOW.exec(id) ?? [];
  const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
  if (!same(subscription, here.subscriptionId) || !same(group, here.resourceGroup) || !same(workspace, here.workspace)) return undefined;
  return { type: type.toLowerCase(), name, version };
}

/** The asset version that an id names. `azureml:` before it is the form of component specifications only. */
export function assetOf(id: string, kind: AssetKind, here: Place, assets: Assets, inComponent = false): AssetVersion | undefined {
  const parsed = parse(inComponent ? id.replace(/^azureml:(?=\/)/, '') : id, here);
  if (parsed?.type !== kind || parsed.version === undefined) return undefined;
  return findVersion(assets, kind, parsed.name, parsed.version);
}

/** Text of a version's own property; empty where there is none. */
export const specText = ({ spec }: AssetVersion, key: string): string => {
  const value = spec[key];
  return typeof value === 'string' ? value : '';
};

/** A version by name. */
export const findVersion = (assets: Assets, kind: AssetKind, name: string, version: string): AssetVersion | undefined =>
  assets[kind].find((container) => container.name === name)?.versions.find((candidate) => candidate.version === version);

/** The compute that an id names; names of computes have no case. */
export function computeOf(id: string, here: Place, computes: readonly ComputeOptions[]): ComputeOptions | undefined {
  const parsed = parse(id, here);
  if (parsed?.type !== 'computes' || parsed.version !== undefined) return undefined;
  return computes.find(({ name }) => name.toLowerCase() === parsed.name.toLowerCase());
}
