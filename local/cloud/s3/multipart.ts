// Multipart uploads: create, parts, complete, abort; they survive a restart like objects do.
// Source: AWS documentation, "Uploading and copying objects using multipart upload"; composite checksums as in facts/sagemaker.md §1.1.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { write } from '../kit/state.ts';
import { type Algorithm, type Checksums, startDigest } from './checksums.ts';
import type { Received } from './receive.ts';
import { S3Error } from './s3-error.ts';

/** An upload in progress. */
export interface Upload {
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly algorithm?: Algorithm;
  readonly checksumType: 'FULL_OBJECT' | 'COMPOSITE';
}

/** One part that has been received. */
export interface Part {
  readonly number: number;
  readonly size: number;
  readonly etag: string;
  readonly checksums: Checksums;
  readonly file: string;
}

/** A part as the caller lists it on completion. */
export interface ListedPart {
  readonly number: number;
  readonly etag: string;
  readonly checksums: Checksums;
}

/** The joined content. */
export interface Joined {
  readonly file: string;
  readonly size: number;
  readonly etag: string;
  readonly checksums: Checksums;
}

const MIN_PART = 5 * 1_024 * 1_024;
const MAX_PARTS = 10_000;

/** Uploads in progress below one folder. */
export class Multipart {
  readonly #root: string;

  constructor(dataDir: string) {
    this.#root = join(dataDir, 'uploads');
    mkdirSync(this.#root, { recursive: true });
  }

  create(upload: Omit<Upload, 'id'>): Upload {
    const id = randomBytes(24).toString('hex');
    mkdirSync(join(this.#root, id));
    const created: Upload = { ...upload, id };
    write(join(this.#root, id, 'upload.json'), JSON.stringify(created));
    return created;
  }

  /** The upload, which must belong to this bucket and key. */
  get(id: string, bucket: string, key: string): Upload {
    const file = join(this.#root, id, 'upload.json');
    const upload = /^[0-9a-f]{48}$/.test(id) && existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Upload) : undefined;
    if (upload?.bucket !== bucket || upload.key !== key) {
      throw new S3Error(
        'NoSuchUpload',
        404,
        'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
      );
    }
    return upload;
  }

  /** Takes received content as a part; the same number again replaces it. */
  addPart(upload: Upload, number: number, received: Received): Part {
    if (upload.algorithm !== undefined && received.checksums[upload.algorithm] === undefined) {
      const given = Object.keys(received.checksums)[0] ?? 'null';
      throw new S3Error(
        'InvalidRequest',
        400,
        `Checksum Type mismatch occurred, expected checksum Type: ${upload.algorithm}, actual checksum Type: ${given}`,
      );
    }
    const folder = join(this.#root, upload.id);
    const file = `part-${number}.${randomBytes(6).toString('hex')}.data`;
    renameSync(received.file, join(folder, file));
    const part: Part = { number, size: received.size, etag: received.md5, checksums: received.checksums, file };
    write(join(folder, `part-${number}.json`), JSON.stringify(part));
    return part;
  }

  /** Received parts by number. */
  parts(upload: Upload): readonly Part[] {
    const folder = join(this.#root, upload.id);
    return readdirSync(folder)
      .filter((name) => /^part-\d+\.json$/.test(name))
      .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Part)
      .sort((a, b) => a.number - b.number);
  }

  /** Writes the listed parts one after the other into `file`. */
  async join(upload: Upload, listed: readonly ListedPart[], file: string): Promise<Joined> {
    const parts = this.#choose(upload, listed);
    const full = upload.algorithm === undefined ? undefined : startDigest(upload.algorithm);
    const handle = await open(file, 'wx', 0o600);
    let size = 0;
    try {
      for (const part of parts) {
        const bytes = await readFile(join(this.#root, upload.id, part.file));
        full?.update(bytes);
        size += bytes.length;
        await handle.appendFile(bytes);
      }
    } finally {
      await handle.close();
    }
    const md5 = createHash('md5');
    for (const part of parts) md5.update(Buffer.from(part.etag, 'hex'));
    return { file, size, etag: `${md5.digest('hex')}-${parts.length}`, checksums: this.#checksums(upload, parts, full?.digest()) };
  }

  /** Forgets the upload and its parts. */
  remove(upload: Upload): void {
    rmSync(join(this.#root, upload.id), { recursive: true, force: true });
  }

  #choose(upload: Upload, listed: readonly ListedPart[]): readonly Part[] {
    if (listed.length === 0 || listed.length > MAX_PARTS) {
      throw new S3Error('MalformedXML', 400, 'The XML you provided was not well-formed or did not validate against our published schema');
    }
    if (listed.some(({ number }, index) => number <= (listed[index - 1]?.number ?? 0))) {
      throw new S3Error(
        'InvalidPartOrder',
        400,
        'The list of parts was not in ascending order. The parts list must be specified in order by part number.',
      );
    }
    const received = new Map(this.parts(upload).map((part) => [part.number, part]));
    return listed.map((entry, index) => {
      const part = received.get(entry.number);
      const agrees =
        part?.etag === entry.etag && Object.entries(entry.checksums).every(([name, value]) => part.checksums[name as Algorithm] === value);
      if (!part || !agrees) {
        throw new S3Error(
          'InvalidPart',
          400,
          "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
          {
            PartNumber: String(entry.number),
          },
        );
      }
      if (part.size < MIN_PART && index < listed.length - 1) {
        throw new S3Error('EntityTooSmall', 400, 'Your proposed upload is smaller than the minimum allowed size', {
          PartNumber: String(entry.number),
        });
      }
      return part;
    });
  }

  #checksums(upload: Upload, parts: readonly Part[], full: Buffer | undefined): Checksums {
    const { algorithm } = upload;
    if (algorithm === undefined) return {};
    if (upload.checksumType === 'FULL_OBJECT') return { [algorithm]: full?.toString('base64') ?? '' };
    const composite = startDigest(algorithm);
    for (const part of parts) composite.update(Buffer.from(part.checksums[algorithm] ?? '', 'base64'));
    return { [algorithm]: `${composite.digest().toString('base64')}-${parts.length}` };
  }
}
