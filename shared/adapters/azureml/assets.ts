// Port AssetRegistry over Azure ML: names and versions follow from content, so a repeat finds what is there (facts/azure.md §1.2, §1.4).
// Models go to prod by a registry; what arrives there is believed only after its SHA-256 tag was read back.
import { operationOf } from '../../clients/arm.ts';
import { RejectedError } from '../../errors/errors.ts';
import type { AssetRegistry, AssetVersion, Publication } from '../../ports/asset-registry.ts';
import { type AzureMlPlace, createAzureMlApi, inOurWords, parsed } from './api.ts';
import { ensureEnvironments, environmentOf } from './environments.ts';
import { datastoreUri, type RegistryPlace, registryPath, segment, workspacePath } from './place.ts';
import { AssetBody } from './wire.ts';

export interface AssetRegistryOptions extends AzureMlPlace {
  /** Datastore on the container of Sluice's store. */
  datastore: string;
  /** The registry that models are published to; without it `publish` rejects. */
  registry?: RegistryPlace;
  environments?: Readonly<Record<string, string>>;
}

/** Tag that says what a version is. */
export const DIGEST_TAG = 'sha256';

export function createAssetRegistry(options: AssetRegistryOptions): AssetRegistry {
  const api = createAzureMlApi(options);
  const base = workspacePath(api.place);
  const environments = new Map<string, string>();

  /** Looks, creates what is absent, and compares the digest that the stored version carries. */
  async function ensure(kind: 'data' | 'models', name: string, version: string, digest: string, properties: object): Promise<AssetVersion> {
    const path = `/${kind}/${segment(name)}/versions/${segment(version)}`;
    const found = await api.call('GET', path, { accept: [404] });
    const answer =
      found.status === 404 ? await api.call('PUT', path, { body: { properties: { ...properties, isAnonymous: false } } }) : found;
    const { tags } = parsed(AssetBody, answer.json, `${kind} ${name}:${version}`).properties;
    if (tags?.[DIGEST_TAG] !== digest) {
      const theirs = tags?.[DIGEST_TAG] ?? 'without a digest';
      throw new RejectedError(
        'asset-conflict',
        `Azure ML has ${kind === 'data' ? 'the data asset' : 'the model'} ${name}:${version} already, with other content (${theirs.slice(0, 64)}, not ${digest}). ` +
          'Archive that version, or register under another name.',
      );
    }
    return { name, version, id: `${base}${path}` };
  }

  function registry(): RegistryPlace {
    if (options.registry) return options.registry;
    throw new RejectedError('registry-unknown', 'This deployment names no Azure ML registry; set it, or do not publish.');
  }

  async function published(name: string, version: string): Promise<{ id: string; digest: string | null } | null> {
    const path = `${registryPath(registry())}/models/${segment(name)}/versions/${segment(version)}`;
    const answer = await api.arm('GET', path, { accept: [404] });
    if (answer.status === 404) return null;
    const body = parsed(AssetBody, answer.json, `model ${name}:${version} of the registry`);
    return { id: body.id ?? path, digest: body.properties.tags?.[DIGEST_TAG] ?? null };
  }

  function same(model: { name: string; version: string; modelDigest: string }, digest: string | null): void {
    if (digest === model.modelDigest) return;
    throw new RejectedError(
      'registry-mismatch',
      `Registry ${registry().registry} has ${model.name}:${model.version} with the SHA-256 ${digest ?? '(no tag)'}, not ${model.modelDigest}. ` +
        'It must not be served: find out who wrote it, and publish under another name or version.',
    );
  }

  return {
    async data({ table, goldVersion, goldDigest, path, datastore, tags }) {
      const dataUri = datastoreUri(api.place, datastore ?? options.datastore, path.endsWith('/') ? path : `${path}/`);
      // The version alone would meet itself again when a table is made anew.
      return ensure('data', table, `${goldVersion}-${goldDigest.slice(0, 12)}`, goldDigest, {
        dataType: 'uri_folder',
        dataUri,
        description: `Gold table ${table}, version ${goldVersion}`,
        tags: { ...tags, [DIGEST_TAG]: goldDigest, 'sluice.goldVersion': String(goldVersion) },
      });
    },

    async model({ name, modelDigest, path, tags }) {
      return ensure('models', name, modelVersionOf(modelDigest), modelDigest, {
        modelType: 'custom_model',
        modelUri: datastoreUri(api.place, options.datastore, path),
        description: `Registered by Sluice`,
        tags: { ...tags, [DIGEST_TAG]: modelDigest },
      });
    },

    async environment(image) {
      const ids = await ensureEnvironments(api, [image], options.environments ?? {}, environments);
      const id = ids.get(image) ?? '';
      const [, name, version] = /\/environments\/([^/]+)\/versions\/([^/]+)$/.exec(id) ?? [];
      return { ...environmentOf(image), ...(name && version ? { name, version } : {}), id };
    },

    async publish({ name, version, modelDigest }) {
      const there = await published(name, version);
      if (there) {
        same({ name, version, modelDigest }, there.digest);
        return { name, version, modelDigest, operation: null };
      }
      const path = `/models/${segment(name)}/versions/${segment(version)}/publish`;
      const body = { registryName: registry().registry, destinationName: name, destinationVersion: version };
      const answer = await api.call('POST', path, { body });
      return { name, version, modelDigest, operation: operationOf(answer) };
    },

    async poll(publication: Publication) {
      const { name, version, operation } = publication;
      if (operation) {
        const state = await inOurWords(() => options.arm.poll(operation));
        if (state.state === 'running') return state;
        if (state.state !== 'succeeded') {
          const why = state.state === 'failed' ? state.reason : 'it was cancelled';
          throw new RejectedError(
            'publication-failed',
            `Model ${name}:${version} did not get into registry ${registry().registry}: ${why}`,
          );
        }
      }
      const there = await published(name, version);
      // Registries are eventually consistent: done, but not to be read yet.
      if (!there) return { state: 'running', waitMs: 5_000 };
      same(publication, there.digest);
      return { state: 'succeeded', id: there.id };
    },
  };
}

/** The version of a model: its digest decides, so that nobody has to count, and two that register at once write the same. */
export function modelVersionOf(modelDigest: string): string {
  return `m${modelDigest.slice(0, 16)}`;
}
