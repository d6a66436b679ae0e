// From an image reference and a step's command to a program on this machine.
// Images are named by digest: a tag is refused as a failed pull (stricter than the service, which pulls tags; mission row R0.7).
import { entry } from '../ir/types.ts';
import type { ImageMapping, KubeflowOptions } from '../options.ts';

/** The image cannot be had; the message is what a pod's status would say. */
export class ImagePullError extends Error {
  override readonly name = 'ImagePullError';
}

/** The mapping for a reference such as `registry.local/ble-train@sha256:…`. */
export function resolveImage(images: KubeflowOptions['images'], reference: string): ImageMapping {
  const [, name = ''] = /^([a-z0-9][\w./:-]*)@sha256:[0-9a-f]{64}$/i.exec(reference) ?? [];
  if (name === '') {
    throw new ImagePullError(`ErrImagePull: image "${reference}" is not named by digest (name@sha256:…); a tag can change under a run.`);
  }
  const exact = entry(images, reference) ?? entry(images, name);
  if (exact) return exact;
  const prefix = Object.keys(images)
    .filter((key) => (key.endsWith('/') || key.endsWith('*')) && name.startsWith(key.replace(/\*$/, '')))
    .sort((a, b) => b.length - a.length)[0];
  const mapping = entry(images, prefix);
  if (!mapping)
    throw new ImagePullError(`ErrImagePull: image "${name}" is not known here. Known: ${Object.keys(images).join(', ') || 'none'}.`);
  return mapping;
}

/** Program and arguments for a step. Throws `ImagePullError` where neither the step nor the mapping names a program. */
export function commandLine(mapping: ImageMapping, command: readonly string[], args: readonly string[]): [string, ...string[]] {
  const [program, ...rest] = command;
  const replaced = program === undefined ? [] : [entry(mapping.programs, program) ?? program, ...rest];
  const [first, ...others] = [...(mapping.command ?? []), ...replaced, ...args];
  if (first === undefined || (program === undefined && !mapping.command?.length)) {
    throw new ImagePullError('StartError: the step has no command and its image has no entry point here.');
  }
  return [first, ...others];
}
