// From an environment version to a program's surroundings on this machine: its image's digest names a mapping of the options.
// A tag is refused as a failed pull (stricter than the service, which pulls tags: environments are pinned by digest, mission row R2.4).
import type { AssetVersion } from '../model.ts';
import type { AzureMlOptions, ImageMapping } from '../options.ts';

/** The image cannot be had; the message is what the job's log says. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
}

/** What an environment version names as its image, and where it is mapped to. Throws `ImageError`. */
export function resolveImage(images: AzureMlOptions['images'] = {}, environment: AssetVersion): ImageMapping {
  const reference = environment.spec['image'];
  const label = `environment ${environment.name}:${environment.version}`;
  if (environment.spec['build'] !== undefined && environment.spec['build'] !== null) {
    throw new ImageError(`ImageBuildFailure: ${label} has a build context; this machine builds no images. Give it an image by digest.`);
  }
  if (typeof reference !== 'string') throw new ImageError(`ImagePullFailure: ${label} names no image.`);
  const [, name = ''] = /^([a-z0-9][\w./:-]*)@sha256:[0-9a-f]{64}$/i.exec(reference) ?? [];
  if (name === '') {
    throw new ImageError(
      `ImagePullFailure: image "${reference.slice(0, 300)}" of ${label} is not named by digest (name@sha256:…); a tag can change under a job.`,
    );
  }
  const known = Object.keys(images);
  const prefix = known
    .filter((key) => (key.endsWith('/') || key.endsWith('*')) && name.startsWith(key.replace(/\*$/, '')))
    .sort((a, b) => b.length - a.length)[0];
  const key = [reference, name, prefix].find((candidate) => candidate !== undefined && Object.hasOwn(images, candidate));
  const mapping = key === undefined ? undefined : images[key];
  if (!mapping)
    throw new ImageError(`ImagePullFailure: image "${name}" of ${label} is not known here. Known: ${known.join(', ') || 'none'}.`);
  return mapping;
}
