// Which local program stands for a container image.
// An image is named by digest; the map says what runs for it on this machine.

/** A program that stands for an image: it listens on PORT and answers `/ping` and `/invocations`. */
export interface LocalImage {
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** `sha256:<64 hex>`: only this digest is this image; absent: any digest of the name. */
  readonly digest?: string;
}

/** Images by full reference (`name@sha256:…`) or by name alone. */
export type Images = Readonly<Record<string, LocalImage>>;

/** The program for an image reference, or undefined when there is no such image here. */
export function resolveImage(images: Images, reference: string): LocalImage | undefined {
  const [repository = '', digest = ''] = reference.split('@');
  const exact = own(images, reference);
  if (exact) return exact;
  const named = own(images, repository);
  return named && (named.digest === undefined || named.digest === digest) ? named : undefined;
}

function own(images: Images, key: string): LocalImage | undefined {
  return Object.hasOwn(images, key) ? images[key] : undefined;
}
