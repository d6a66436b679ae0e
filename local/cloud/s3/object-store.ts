// Buckets and objects as files. An object's name on disk is a hash of its key, so no key can leave the data folder.
// The small JSON file of an object is its commit: it appears by rename, after the content is complete.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { write } from '../kit/state.ts';
import type { Checksums } from './checksums.ts';
import { S3Error } from './s3-error.ts';

/** What is known of a stored object. */
export interface StoredObject {
  readonly key: string;
  readonly size: number;
  /** Without quotes. */
  readonly etag: string;
  /** Milliseconds since 1970, whole seconds, as HTTP dates have them. */
  readonly lastModified: number;
  readonly checksums: Checksums;
  readonly checksumType: 'FULL_OBJECT' | 'COMPOSITE';
  /** Headers that are given back as they came: content-type, cache-control, x-amz-meta-*, … */
  readonly headers: Readonly<Record<string, string>>;
  /** Name of the content file beside the JSON file. */
  readonly file: string;
}

/** Preconditions of a write, as headers give them. */
export interface WriteCondition {
  readonly ifNoneMatch?: string;
  readonly ifMatch?: string;
}

/** A token of the moment a write began; see `commit`. */
export interface WriteTicket {
  readonly deletions: number;
}

interface Bucket {
  readonly folder: string;
  readonly createdAt: number;
  readonly objects: Map<string, StoredObject>;
  /** How often a key has been deleted since the start: a delete during a conditional write is a conflict. */
  readonly deletions: Map<string, number>;
}

const BUCKET_NAME = /^(?!\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** The buckets below one folder. */
export class ObjectStore {
  readonly #root: string;
  readonly #incoming: string;
  readonly #buckets = new Map<string, Bucket>();

  /** Opens the folder; content that a killed process had not committed is removed. */
  constructor(dataDir: string) {
    this.#root = join(dataDir, 'buckets');
    this.#incoming = join(dataDir, 'incoming');
    rmSync(this.#incoming, { recursive: true, force: true });
    mkdirSync(this.#incoming, { recursive: true });
    mkdirSync(this.#root, { recursive: true });
    for (const name of readdirSync(this.#root)) this.#buckets.set(name, loadBucket(join(this.#root, name)));
  }

  /** Makes a bucket; `false` when it is there already. */
  createBucket(name: string, now: number): boolean {
    if (!BUCKET_NAME.test(name)) throw new S3Error('InvalidBucketName', 400, 'The specified bucket is not valid.', { BucketName: name });
    if (this.#buckets.has(name)) return false;
    const folder = join(this.#root, name);
    mkdirSync(folder, { recursive: true });
    write(join(folder, 'bucket.json'), JSON.stringify({ createdAt: now }));
    this.#buckets.set(name, { folder, createdAt: now, objects: new Map(), deletions: new Map() });
    return true;
  }

  /** Names and creation times of all buckets. */
  buckets(): readonly { readonly name: string; readonly createdAt: number }[] {
    return [...this.#buckets].map(([name, { createdAt }]) => ({ name, createdAt })).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  hasBucket(name: string): boolean {
    return this.#buckets.has(name);
  }

  /** A new file name for content on its way in. */
  incomingFile(): string {
    return join(this.#incoming, randomBytes(12).toString('hex'));
  }

  get(bucket: string, key: string): StoredObject | undefined {
    return this.#bucket(bucket).objects.get(key);
  }

  /** All objects of a bucket in the order of their UTF-8 bytes. */
  list(bucket: string): readonly StoredObject[] {
    const keyed = [...this.#bucket(bucket).objects.values()].map((object) => ({ object, bytes: Buffer.from(object.key, 'utf8') }));
    return keyed.sort((a, b) => Buffer.compare(a.bytes, b.bytes)).map(({ object }) => object);
  }

  /** The content, opened at once: a later overwrite does not change what is read. Ends closed. */
  async content(bucket: string, object: StoredObject, from = 0, to = object.size - 1): Promise<ReadableStream<Uint8Array>> {
    const handle = await open(join(this.#bucket(bucket).folder, object.file), 'r');
    let at = from;
    return new ReadableStream<Uint8Array>({
      async pull(controller) {
        const wanted = Math.min(262_144, to - at + 1);
        if (wanted <= 0) {
          await handle.close();
          controller.close();
          return;
        }
        const { bytesRead, buffer } = await handle.read(new Uint8Array(wanted), 0, wanted, at);
        if (bytesRead === 0) {
          await handle.close();
          controller.error(new Error(`The content of ${object.key} is shorter than recorded.`));
          return;
        }
        at += bytesRead;
        controller.enqueue(buffer.subarray(0, bytesRead));
      },
      cancel: () => handle.close(),
    });
  }

  /** Remember the moment at which a write begins. */
  begin(bucket: string, key: string): WriteTicket {
    return { deletions: this.#bucket(bucket).deletions.get(key) ?? 0 };
  }

  /**
   * Makes received content the object, if the condition holds now. One synchronous step, so no other write comes between.
   * Conditional writes: facts/sagemaker.md §1.1 (412 when it exists, 409 when a delete came between).
   */
  commit(bucket: string, object: Omit<StoredObject, 'file'>, incoming: string, condition: WriteCondition, ticket: WriteTicket): void {
    const target = this.#bucket(bucket);
    const current = target.objects.get(object.key);
    checkCondition(current, condition);
    if (condition.ifNoneMatch !== undefined && (target.deletions.get(object.key) ?? 0) !== ticket.deletions) {
      throw new S3Error(
        'ConditionalRequestConflict',
        409,
        'The conditional request cannot succeed due to a conflicting operation against this resource.',
      );
    }
    const name = hashedName(object.key);
    const file = `${name}.${randomBytes(6).toString('hex')}.data`;
    renameSync(incoming, join(target.folder, file));
    const stored: StoredObject = { ...object, file };
    write(join(target.folder, `${name}.json`), JSON.stringify(stored));
    target.objects.set(object.key, stored);
    if (current) rmSync(join(target.folder, current.file), { force: true });
  }

  /** Removes an object; nothing happens when there is none. */
  delete(bucket: string, key: string): void {
    const target = this.#bucket(bucket);
    const current = target.objects.get(key);
    if (!current) return;
    rmSync(join(target.folder, `${hashedName(key)}.json`), { force: true });
    rmSync(join(target.folder, current.file), { force: true });
    target.objects.delete(key);
    target.deletions.set(key, (target.deletions.get(key) ?? 0) + 1);
  }

  #bucket(name: string): Bucket {
    const bucket = this.#buckets.get(name);
    if (!bucket) throw new S3Error('NoSuchBucket', 404, 'The specified bucket does not exist', { BucketName: name });
    return bucket;
  }
}

function checkCondition(current: StoredObject | undefined, condition: WriteCondition): void {
  const failed = (name: string) =>
    new S3Error('PreconditionFailed', 412, 'At least one of the pre-conditions you specified did not hold', { Condition: name });
  // S3 takes only `*` here for writes.
  if (condition.ifNoneMatch !== undefined && condition.ifNoneMatch !== '*') {
    throw new S3Error('NotImplemented', 501, 'A header you provided implies something that this stand-in does not do', {
      Header: 'If-None-Match',
    });
  }
  if (condition.ifNoneMatch === '*' && current) throw failed('If-None-Match');
  if (condition.ifMatch === undefined) return;
  if (!current) throw new S3Error('NoSuchKey', 404, 'The specified key does not exist.');
  if (condition.ifMatch.replaceAll('"', '') !== current.etag) throw failed('If-Match');
}

function hashedName(key: string): string {
  return createHash('sha256').update(key, 'utf8').digest('hex');
}

function loadBucket(folder: string): Bucket {
  const marker = join(folder, 'bucket.json');
  const createdAt = existsSync(marker) ? (JSON.parse(readFileSync(marker, 'utf8')) as { createdAt: number }).createdAt : 0;
  const objects = new Map<string, StoredObject>();
  const files = readdirSync(folder);
  for (const file of files.filter((name) => /^[0-9a-f]{64}\.json$/.test(name))) {
    const object = JSON.parse(readFileSync(join(folder, file), 'utf8')) as StoredObject;
    objects.set(object.key, object);
  }
  const kept = new Set([...objects.values()].map(({ file }) => file));
  for (const file of files.filter((name) => name.endsWith('.tmp') || (name.endsWith('.data') && !kept.has(name))))
    rmSync(join(folder, file));
  return { folder, createdAt, objects, deletions: new Map() };
}
