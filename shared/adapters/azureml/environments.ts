// Environment versions for images: one version per digest, named after the image; registered when absent, compared when there (facts/azure.md §1.2).
import { sha256Hex } from '../../decisions/digest.ts';
import { RejectedError } from '../../errors/errors.ts';
import { type AzureMlApi, parsed } from './api.ts';
import type { Component } from './compile.ts';
import { assetName, segment, workspacePath } from './place.ts';
import { AssetBody } from './wire.ts';

/** Name and version of the environment of an image. The image's whole name goes into the name, so two registries never meet. */
export function environmentOf(image: string): { name: string; version: string } {
  const [repository = '', digest = ''] = image.split('@sha256:');
  const path = repository.split('/').slice(repository.includes('/') && /[.:]|^localhost$/.test(repository.split('/')[0] ?? '') ? 1 : 0);
  return { name: `${assetName(path.join('-'))}-${sha256Hex(repository).slice(0, 8)}`, version: digest.slice(0, 32) };
}

/** Registers what is absent and gives the ARM id of each image's environment. `mapped` comes first: image or its name → ARM id. */
export async function ensureEnvironments(
  api: AzureMlApi,
  images: readonly string[],
  mapped: Readonly<Record<string, string>>,
  known: Map<string, string>,
): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  for (const image of new Set(images)) {
    const own = (name: string) => (Object.hasOwn(mapped, name) ? mapped[name] : undefined);
    const id = own(image) ?? own(image.split('@')[0] ?? '') ?? known.get(image) ?? (await ensureEnvironment(api, image));
    known.set(image, id);
    ids.set(image, id);
  }
  return ids;
}

async function ensureEnvironment(api: AzureMlApi, image: string): Promise<string> {
  const { name, version } = environmentOf(image);
  const path = `/environments/${segment(name)}/versions/${segment(version)}`;
  const found = await api.call('GET', path, { accept: [404] });
  // A version keeps its image for ever, so the same PUT by two instances at once writes the same thing.
  const answer =
    found.status === 404
      ? await api.call('PUT', path, {
          body: { properties: { image, osType: 'Linux', isAnonymous: false, description: 'Registered by Sluice' } },
        })
      : found;
  const { image: stored } = parsed(AssetBody, answer.json, `environment ${name}:${version}`).properties;
  if (stored !== image) {
    throw new RejectedError(
      'asset-conflict',
      `Environment ${name}:${version} of Azure ML is of the image "${stored ?? 'none'}", not "${image}". Archive it under another version, or map the image to an environment of your own.`,
    );
  }
  return `${workspacePath(api.place)}${path}`;
}

/** Registers the components of a pipeline; their versions are digests of what they are, so one that is there is the same. */
export async function ensureComponents(api: AzureMlApi, components: readonly Component[], known: Set<string>): Promise<void> {
  for (const { name, version, body } of components) {
    const path = `/components/${segment(name)}/versions/${segment(version)}`;
    if (known.has(path)) continue;
    const found = await api.call('GET', path, { accept: [404] });
    if (found.status === 404) await api.call('PUT', path, { body: { properties: body } });
    known.add(path);
  }
}
