// Quarantine, erasure and extraction from the command line, over the real handlers and tables in this process.
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { minute, versionOf } from '../contracts/samples.ts';
import { caseWorld } from '../functions/triggers/api/case-world.ts';
import { servedApi } from './served-api.ts';

async function served() {
  const { parts, id } = await caseWorld();
  const dir = await mkdtemp(join(tmpdir(), 'sluice-cli-'));
  onTestFinished(async () => rm(dir, { recursive: true }));
  return { ...(await servedApi(parts)), id, dir };
}
const json = (out: string) => JSON.parse(out) as Record<string, unknown>;

describe('a case', () => {
  test('is listed, shown, corrected, and asks whether to train again', async () => {
    const { sluice, id, dir, started } = await served();
    const file = join(dir, 'rows.csv');

    const listed = await sluice('quarantine', 'list', '--pipeline', 'p');
    const shown = await sluice('quarantine', 'show', id, '--out', file);
    const csv = await readFile(file, 'utf8');
    await writeFile(file, csv.replace('1,x,', '1,7,'));
    const fixed = await sluice('quarantine', 'fix', id, '--file', file, '--reason', 'typed wrong');
    const answered = await sluice('quarantine', 'answer', id, 'yes', '--reason', 'they count');

    expect(listed.out).toMatch(new RegExp(`${id} +open +2 of 2 +- +2026-11-27T22:00:00Z(?: over)? +type:id 2 +-\\n`));
    expect(shown.out).toContain(`${id}  open, 2 of 2 rows open\n  opened         2026-11-20T22:00:00Z\n`);
    expect(shown.out).toMatch(/ {2}2026-11-20T22:00:00Z {2}opened, 2 rows +sluice\n/);
    expect(shown.out).toMatch(/ {2}1 +4 +type:id +x,Erika,2024-01-01T10:00:00Z,2 +column "id" holds "x"/);
    expect((await stat(file)).mode & 0o077).toBe(0);
    expect(fixed.code).toBe(1);
    expect(fixed.out).toContain(`${id}: 1 row mended, 1 of them into silver v1 and gold v1; 1 still open\n`);
    expect(fixed.out).toContain(`  Train again? sluice quarantine answer ${id} yes|no --reason TEXT\n`);
    expect(answered).toMatchObject({ code: 0, out: expect.stringContaining('train again, it is written down') as string });
    expect(started.map(({ story }) => story)).toEqual(['retrain']);
    expect((await sluice('quarantine', 'answer', id, 'no', '--reason', 'on second thoughts')).code).toBe(1);
    const history = (await sluice('quarantine', 'show', id)).out;
    expect(history).toMatch(/resolved \(fix\), 1 row +ola +typed wrong\n.*retrain answered +ola +yes: they count\n/);
    expect(history).not.toContain('began');
  });

  test('of a pipeline that nobody knows is not simply absent; nor is a number out of bounds taken', async () => {
    const { sluice } = await served();

    expect(await sluice('quarantine', 'list', '--pipeline', 'q')).toMatchObject({
      code: 4,
      err: 'error  There is no pipeline "q"\n       registered here: p\n',
    });
    expect((await sluice('quarantine', 'list', '--pipeline', 'p', '--state', 'closed')).out).toBe('No case fits\n');
    expect(await sluice('quarantine', 'list', '--limit', '0')).toMatchObject({
      code: 2,
      err: 'error  --limit 0 is out of bounds\n       give a whole number from 1 to 500\n',
    });
    expect((await sluice('quarantine', 'list', '--limit', '1e2')).code).toBe(2);
  });

  test('has an owner and a deadline; rows are given up by number or all', async () => {
    const { sluice, id } = await served();

    const assigned = await sluice('quarantine', 'assign', id, '--owner', 'grace', '--due', 'never');
    await sluice('quarantine', 'assign', id, '--due', '2020-01-01T00:00Z');
    const late = await sluice('quarantine', 'list', '--overdue');
    const one = await sluice('quarantine', 'discard', id, '--rows', '2', '--reason', 'not ours');
    const all = await sluice('quarantine', 'discard', id, '--rows', 'all', '--reason', 'not ours', '--json');
    const after = await sluice('quarantine', 'list', '--state', 'open');

    expect(assigned.out).toContain('  owner          grace, due never\n');
    expect(one.out).toContain(`${id}: 1 row given up; 1 still open\n`);
    expect(json(all.out)).toMatchObject({ resolvedRows: 1, case: { state: 'closed' } });
    expect(late.out).toMatch(/ {2}grace +2020-01-01T00:00:00Z over +type:id 2/);
    expect(after.out).toBe('No case fits\n');
    expect((await sluice('quarantine', 'resume', id)).out).toBe('Nothing was cut off\n');
  });

  test('is not released for rows of the wrong type, and says so', async () => {
    const { sluice, id } = await served();

    const { code, out } = await sluice('quarantine', 'release', id, '--rows', 'all', '--reason', 'fine by us', '--json');

    expect([code, json(out)['error']]).toMatchObject([2, { code: 'not-releasable' }]);
  });

  test.each([
    ['no rows', ['release', 'q-p-0123456789abcdef', '--rows', 'some', '--reason', 'because']],
    ['no change', ['assign', 'q-p-0123456789abcdef']],
    ['another answer', ['answer', 'q-p-0123456789abcdef', 'perhaps', '--reason', 'because']],
    ['a file that is none', ['fix', 'q-p-0123456789abcdef', '--file', '/none', '--reason', 'because']],
  ])('with %s is wrong use', async (_, words) => {
    const { sluice, asked } = await servedApi();

    expect((await sluice('quarantine', ...words)).code).toBe(2);
    expect(asked).toEqual([]);
  });
});

describe('an erasure', () => {
  const words = ['erase', 'name=name 1', '--pipeline', 'p', '--reason', 'asked by the person'];

  /** Somebody at a keyboard who types this. */
  function typing(text: string): void {
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    const before = Object.getOwnPropertyDescriptor(process, 'stdin')!;
    Object.defineProperty(process, 'stdin', { value: stdin, configurable: true });
    onTestFinished(() => void Object.defineProperty(process, 'stdin', before));
    stdin.write(`${text}\n`);
  }

  test('is done after the name of the pipeline was typed; prints the record without the value, and the question', async () => {
    const { sluice } = await served();
    typing('p');

    const { code, out } = await sluice(...words);

    expect(code).toBe(0);
    expect(out).toMatch(/erase-p-[0-9a-f]{16} {2}rows with this name are gone; asked by ola at /);
    expect(out).toMatch(/ {2}silver +1 +\d+ +v\d+ /);
    expect(out).toMatch(/sluice train p --reason "after erase-p-[0-9a-f]{16}"\n/);
    expect(out).not.toContain('name 1');
  });

  test('is not done when another name is typed, or when nobody can type', async () => {
    const { sluice, asked } = await served();
    typing('q');
    const other = await sluice(...words);
    Object.defineProperty(process, 'stdin', { value: Object.assign(new PassThrough(), { isTTY: false }), configurable: true });
    const nobody = await sluice(...words);

    expect([other.code, nobody.code]).toEqual([1, 2]);
    expect(nobody.err).toContain('--yes');
    expect(asked).toEqual([]);
  });

  test('of somebody who is not there says so; what was erased is listed', async () => {
    const { sluice } = await served();

    const none = await sluice('erasures', 'p');
    const absent = await sluice('erase', 'name=nobody', '--pipeline', 'p', '--reason', 'asked by the person', '--yes');
    const listed = await sluice('erasures', 'p');

    expect(none).toMatchObject({ code: 0, out: 'Nothing was erased from p\n' });
    expect(absent.out).toMatch(/erase-p-[0-9a-f]{16} {2}no row of p has this name; asked by ola at /);
    expect(absent.out).not.toContain('Train again?');
    expect(listed.out).toMatch(/ {2}erase-p-[0-9a-f]{16} +2026-11-21T14:41:00Z +name +0 +ola +asked by the person\n/);
    expect((await sluice('erasures', 'q')).code).toBe(4);
  });

  test('that was cut off goes on by its key: one record', async () => {
    const { sluice, deps } = await served();

    const first = await sluice(...words, '--yes', '--request', 'k-1', '--json');
    const again = await sluice(...words, '--yes', '--request', 'k-1', '--json');

    expect(first.code).toBe(0);
    expect(json(again.out)).toEqual(json(first.out));
    expect(await deps.erasure.erasures('p', 10)).toHaveLength(1);
    expect((await sluice('erase', 'name', '--pipeline', 'p', '--reason', 'xyz', '--yes')).code).toBe(2);
  });
});

test('an extraction is started by the name of its pipeline, and says what holds it back', async () => {
  const { deps, sluice, started } = await servedApi();
  const { version, bundle } = versionOf('ble-location', 'v');
  version.spec.schedule = { zone: 'UTC', unchanged: 'skip', extract: { pipeline: 'copy-plant', parameters: {}, deadline: '1h' } };
  await deps.pipelines.put(version, bundle, 'ada', minute(0));

  const { code, out } = await sluice('extract', 'ble-location', '--reason', 'new shift');
  await sluice('pipelines', 'freeze', '--all', '--reason', 'audit');
  const held = await sluice('extract', 'ble-location', '--reason', 'new shift');

  expect(code).toBe(0);
  expect(out).toMatch(/accepted .*copy-plant.*\n {2}follow it with: sluice runs show extract-ble-location-/);
  expect(started.map(({ story }) => story)).toEqual(['extract']);
  expect(held).toMatchObject({ code: 1, out: expect.stringContaining('what to do: sluice why e-') as string });
});
