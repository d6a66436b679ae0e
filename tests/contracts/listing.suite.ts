// What every implementation of the ports `LakeListing` and `DeadLetters` must do; run against memory and against a storage account.
import { expect, it } from 'vitest';
import type { DeadLetters } from '../../shared/ports/dead-letters.ts';
import type { LakeListing } from '../../shared/ports/listing.ts';

/** A listing over an empty place, and how a test writes a file there; gives its eTag without quotes. */
export interface ListingRig {
  listing: LakeListing;
  write(path: string, content: string): Promise<string>;
}

async function allPages({ listing }: ListingRig, folder: string, limit: number) {
  const pages = [];
  let continuation: string | null = null;
  do {
    const page: Awaited<ReturnType<LakeListing['page']>> = await listing.page({ folder, continuation, limit });
    pages.push(page.files);
    ({ continuation } = page);
  } while (continuation !== null && pages.length < 20);
  return pages;
}

export function listingSuite(make: () => Promise<ListingRig>): void {
  it('gives nothing of a folder in which nothing is', async () => {
    const rig = await make();
    await rig.write('bronze/other/a.csv', 'x');

    expect(await rig.listing.page({ folder: 'bronze/wine/', continuation: null, limit: 10 })).toEqual({ files: [], continuation: null });
  });

  it('gives files with the eTag and size of their newest version, odd names included', async () => {
    const rig = await make();
    await rig.write('bronze/wine/ü b%20+.csv', 'old rows');
    const eTag = await rig.write('bronze/wine/ü b%20+.csv', 'rows');

    const { files } = await rig.listing.page({ folder: 'bronze/wine/', continuation: null, limit: 10 });

    expect(files).toEqual([
      expect.objectContaining({ path: 'bronze/wine/ü b%20+.csv', eTag, bytes: 4, account: expect.any(String) as string }),
    ]);
    expect(Number.isNaN(Date.parse(files[0]?.lastModified ?? ''))).toBe(false);
  });

  it('goes on where the page before ended, each file once, in order', async () => {
    const rig = await make();
    const names = Array.from({ length: 7 }, (_, n) => `bronze/wine/${n}/rows.csv`);
    for (const name of [...names, 'bronze/winery/x.csv']) await rig.write(name, 'x');

    const pages = await allPages(rig, 'bronze/wine/', 3);

    expect(pages.map((page) => page.length)).toEqual([3, 3, 1]);
    expect(pages.flat().map(({ path }) => path)).toEqual(names);
  });

  it('finds what is written behind the place where it stopped', async () => {
    const rig = await make();
    for (const name of ['a', 'b', 'd']) await rig.write(`bronze/wine/${name}`, 'x');
    const first = await rig.listing.page({ folder: 'bronze/wine/', continuation: null, limit: 2 });
    await rig.write('bronze/wine/c', 'x');

    const second = await rig.listing.page({ folder: 'bronze/wine/', continuation: first.continuation, limit: 2 });

    expect(second.files.map(({ path }) => path)).toEqual(['bronze/wine/c', 'bronze/wine/d']);
  });
}

export function deadLettersSuite(
  make: () => Promise<{ letters: DeadLetters; write: (name: string, content: string) => Promise<void> }>,
): void {
  it('are listed, read and removed', async () => {
    const { letters, write } = await make();
    await write('LANDING/2026/3/2/9/a.json', '[1]');
    await write('LANDING/2026/3/2/9/b.json', '[22]');

    expect(await letters.list(10)).toEqual([
      { name: 'LANDING/2026/3/2/9/a.json', bytes: 3 },
      { name: 'LANDING/2026/3/2/9/b.json', bytes: 4 },
    ]);
    expect(await letters.list(1)).toHaveLength(1);
    expect(Buffer.from((await letters.read('LANDING/2026/3/2/9/b.json', 4)) ?? []).toString()).toBe('[22]');
    await expect(letters.read('LANDING/2026/3/2/9/b.json', 3)).rejects.toMatchObject({ code: 'file-too-large' });

    await letters.remove('LANDING/2026/3/2/9/a.json');
    await letters.remove('LANDING/2026/3/2/9/a.json');

    expect(await letters.read('LANDING/2026/3/2/9/a.json', 10)).toBeNull();
    expect((await letters.list(10)).map(({ name }) => name)).toEqual(['LANDING/2026/3/2/9/b.json']);
  });
}
