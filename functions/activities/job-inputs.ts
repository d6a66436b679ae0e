// The files that a job gets: staged data by signed addresses, files of a site by their own, and what a site's steps are told of them.
import type { PipelineVersion } from '../../shared/contracts/pipeline.ts';
import { readsSiteInput, type SiteInput, type Train } from '../../shared/contracts/pipeline/train.ts';
import type { StagedFile } from '../../shared/contracts/tables.ts';
import type { JobFile } from '../../shared/contracts/training.ts';
import { sha256Hex } from '../../shared/decisions/digest.ts';
import { isAddress, namesOf } from '../../shared/decisions/site-files.ts';
import { RejectedError } from '../../shared/errors/errors.ts';
import type { Store } from '../../shared/ports/lake.ts';

/** The data. Addresses of a site are given as they are: who reads them needs no signature, and nobody here could. */
export async function jobFiles(store: Store, files: readonly StagedFile[], seconds: number): Promise<JobFile[]> {
  const names = namesOf(files.map(({ path }) => path));
  return Promise.all(
    files.map(async ({ path, sha256, bytes }, index) => ({
      name: names[index] ?? path,
      storePath: path,
      sha256,
      bytes,
      url: isAddress(path) ? path : await store.signRead(path, seconds),
    })),
  );
}

/** With `data: on-premises`: what the steps read beside the data, each kept under its digest. Rejects `releasable-missing`. */
export async function filesBeside(
  store: Store,
  { name, spec, releasable }: Pick<PipelineVersion, 'name' | 'spec' | 'releasable'>,
  train: Train,
  seconds: number,
): Promise<Partial<Record<SiteInput, JobFile[]>>> {
  if (spec.data !== 'on-premises') return {};
  const keep = async (file: string, text: string): Promise<JobFile[]> => {
    const content = Buffer.from(text, 'utf8');
    const sha256 = sha256Hex(text);
    const storePath = `inputs/${name}/${sha256}/${file}`;
    await store.create(storePath, content, 'application/octet-stream');
    return [{ name: file, storePath, sha256, bytes: content.byteLength, url: await store.signRead(storePath, seconds) }];
  };
  const [source] = spec.sources;
  const beside: Partial<Record<SiteInput, JobFile[]>> = {};
  // As the file has it: the order of its columns is the order of the header.
  if (readsSiteInput(train, 'source')) beside.source = await keep('source.json', JSON.stringify(source));
  if (readsSiteInput(train, 'releasable')) {
    if (releasable === undefined)
      throw new RejectedError(
        'releasable-missing',
        `This version of pipeline ${name} came without the file ${train.releasable ?? ''} of releasable rows; apply it again`,
      );
    beside.releasable = await keep(train.releasable ?? 'releasable.csv', releasable);
  }
  return beside;
}
