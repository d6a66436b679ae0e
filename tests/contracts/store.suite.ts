// What every implementation of the port `Store` must do; run against memory and against a storage account.
import { expect, it } from 'vitest';
import { sha256Hex } from '../../shared/decisions/digest.ts';
import type { Store } from '../../shared/ports/lake.ts';

const text = (content: Uint8Array | null) => (content === null ? null : Buffer.from(content).toString('utf8'));
const bytes = (content: string) => new TextEncoder().encode(content);
/** What a component sends: the header is storage's, others ignore it. */
const put = (url: string, body: string) =>
  fetch(url, { method: 'PUT', body, headers: { 'x-ms-blob-type': 'BlockBlob' }, signal: AbortSignal.timeout(10_000) });
const get = (url: string) => fetch(url, { signal: AbortSignal.timeout(10_000) });

/** `make` gives a store over an empty place. */
export function storeSuite(make: () => Promise<Store>): void {
  it('gives null for what is not there', async () => {
    const store = await make();

    expect(await store.read('runs/none/report.json', 100)).toBeNull();
  });

  it('writes once and keeps the first content', async () => {
    const store = await make();

    const first = await store.create('runs/a/report.json', bytes('one'), 'application/json');
    const second = await store.create('runs/a/report.json', bytes('two'), 'application/json');

    expect([first, second]).toEqual(['created', 'exists']);
    expect(text(await store.read('runs/a/report.json', 3))).toBe('one');
  });

  it('lets exactly one of many concurrent writers create a file', async () => {
    const store = await make();

    const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => store.create('race', bytes(`writer ${n}`), 'text/plain')));

    expect(answers.filter((answer) => answer === 'created')).toHaveLength(1);
    expect(text(await store.read('race', 100))).toBe(`writer ${answers.indexOf('created')}`);
  });

  it('tells digest and size of what is there, and null of what is not', async () => {
    const store = await make();
    await store.create('runs/a/model.tar.gz', bytes('one'), 'application/gzip');

    expect(await store.digest('runs/a/model.tar.gz')).toEqual({ sha256: sha256Hex('one'), bytes: 3 });
    expect(await store.digest('runs/b/model.tar.gz')).toBeNull();
    await expect(store.digest('../model.tar.gz')).rejects.toMatchObject({ code: 'bad-path' });
  });

  it('refuses to read more than it was told to', async () => {
    const store = await make();
    await store.create('big', bytes('12345'), 'text/plain');

    await expect(store.read('big', 4)).rejects.toMatchObject({ name: 'RejectedError', code: 'file-too-large' });
  });

  it('keeps empty files and names with spaces, percent signs and letters of any script', async () => {
    const store = await make();
    const name = 'models/a b%20c/ünïcødé 模型+&?#.json';

    await store.create(name, bytes(''), 'application/json');

    expect(text(await store.read(name, 10))).toBe('');
    const answer = await get(await store.signRead(name, 60));
    expect([answer.status, await answer.text()]).toEqual([200, '']);
  });

  it.each(['', '/a', 'a/', 'a//b', '../a', 'a/../b', './a', 'a\\b', 'a\nb', 'x'.repeat(901)])('refuses the path %j', async (path) => {
    const store = await make();

    for (const call of [
      store.read(path, 1),
      store.create(path, bytes('x'), 'text/plain'),
      store.signRead(path, 9),
      store.signCreate(path, 9),
    ])
      await expect(call).rejects.toMatchObject({ name: 'RejectedError', code: 'bad-path' });
  });

  it('signs a URL that reads this one file and writes nothing', async () => {
    const store = await make();
    await store.create('a/b.csv', bytes('x,y\n'), 'text/csv');
    await store.create('a/c.csv', bytes('secret'), 'text/csv');
    const url = await store.signRead('a/b.csv', 60);

    const answer = await get(url);

    expect([answer.status, await answer.text()]).toEqual([200, 'x,y\n']);
    expect((await get(url.replace('b.csv', 'c.csv'))).status).toBe(403);
    expect((await put(url, 'changed')).status).toBe(403);
    expect(text(await store.read('a/b.csv', 100))).toBe('x,y\n');
  });

  it('signs a URL that creates this one file, does not overwrite it and does not read it', async () => {
    const store = await make();
    const url = await store.signCreate('models/m/model.tar.gz', 60);

    const answers = [(await put(url, 'first')).status, (await put(url, 'second')).status, (await get(url)).status];

    expect(answers).toEqual([201, 403, 403]);
    expect(text(await store.read('models/m/model.tar.gz', 100))).toBe('first');
  });

  it('signs for a limited time', async () => {
    const store = await make();
    await store.create('a', bytes('x'), 'text/plain');
    const url = await store.signRead('a', 1);

    await new Promise((resolve) => setTimeout(resolve, 2100));

    expect((await get(url)).status).toBe(403);
    for (const seconds of [0, -5, Number.NaN, 8 * 24 * 3600])
      await expect(store.signRead('a', seconds)).rejects.toMatchObject({ name: 'RejectedError', code: 'bad-lifetime' });
  });
}
