// The checker itself: each fault, planted into a good table, is found. A judge that finds nothing would prove nothing.
import { describe, expect, it } from 'vitest';
import { judgeTable } from './checker.ts';
import { tableRig } from './table-rig.ts';

const rig = tableRig();
const LOG = 'silver/p/t/_delta_log/';
const json = (version: number) => `${LOG}${String(version).padStart(20, '0')}.json`;

let made: Awaited<ReturnType<typeof make>> | null = null;

async function make() {
  const table = rig.table();
  const retention = { historySeconds: 604_800, checkpointEvery: 2 };
  for (let n = 0; n < 3; n += 1)
    await rig.write(table, `SELECT ${n} AS a, 'text ' || ${n} AS s, ${n % 2} AS p`, {
      partitionBy: ['p'],
      retention,
      appId: `sluice-${n}`,
    });
  await rig.judge(table);
  return table;
}

/** A copy of one good table: three commits, two partitions, a checkpoint. */
async function good() {
  made ??= await make();
  const table = rig.table();
  for (const [name, file] of made.storage.files) table.storage.files.set(name, file);
  return table;
}

describe('the checker', () => {
  const faults: [string, number, (text: string) => string, RegExp][] = [
    [
      'a minimum that is too high',
      1,
      (text) => text.replace('\\"minValues\\":{\\"a\\":1', '\\"minValues\\":{\\"a\\":2'),
      /below its minimum/,
    ],
    ['a minimum that is too low', 1, (text) => text.replace('\\"minValues\\":{\\"a\\":1', '\\"minValues\\":{\\"a\\":0'), /bounds 0\.\.1/],
    ['a null count', 1, (text) => text.replace('\\"nullCount\\":{\\"a\\":0', '\\"nullCount\\":{\\"a\\":1'), /nullCount of a/],
    ['a row count', 1, (text) => text.replace('\\"numRecords\\":1', '\\"numRecords\\":2'), /numRecords 2/],
    ['a missing maximum', 1, (text) => text.replace('\\"maxValues\\":{\\"a\\":1,', '\\"maxValues\\":{'), /bounds 1\.\.undefined/],
    ['a partition value', 1, (text) => text.replace('"partitionValues":{"p":"1"}', '"partitionValues":{"p":"2"}'), /folder p=1 for p=2/],
    ['a missing partition value', 1, (text) => text.replace('"partitionValues":{"p":"1"}', '"partitionValues":{}'), /of other columns/],
    ['a transaction twice', 1, (text) => text.replace('"appId":"sluice-1"', '"appId":"sluice-0"'), /sluice-0 1 a second time/],
    ['a size', 1, (text) => text.replace(/"size":(\d+)/, '"size":1$1'), /the log says 1/],
    ['a digest', 1, (text) => text.replace(/"sluice.sha256":"./, '"sluice.sha256":"x'), /SHA-256 is/],
    ['an order of actions', 1, (text) => `${text.trimEnd().split('\n').reverse().join('\n')}\n`, /commitInfo is not first/],
    ['a torn end', 1, (text) => text.trimEnd(), /does not end with a line feed/],
    ['a protocol', 0, (text) => text.replace('"minWriterVersion":2', '"minWriterVersion":7'), /protocol \{/],
    ['a removed stranger', 1, (text) => `${text}{"remove":{"path":"x","dataChange":true}}\n`, /removes x, which is not there/],
    [
      'a changed type',
      1,
      (text) => `${text}{"metaData":{"schemaString":"{\\"fields\\":[]}","partitionColumns":["p"]}}\n`,
      /known columns changed/,
    ],
    ['a checkpoint of another state', 2, (text) => text.replace(/\{"txn".*\n/, ''), /checkpoint 2: other transactions/],
  ];
  it.each(faults)('finds %s', async (_, version, spoil, words) => {
    const table = await good();
    const before = table.storage.text(json(version));

    await table.storage.put(json(version), Buffer.from(spoil(before)), 'application/json');

    expect(table.storage.text(json(version))).not.toBe(before);
    expect((await judgeTable(table.storage, table.root)).problems.join('\n')).toMatch(words);
  });

  it('finds a missing version and a hint that lies', async () => {
    const table = await good();
    await table.storage.put(`${LOG}_last_checkpoint`, Buffer.from('{"version":2,"size":99}'), 'application/json');
    table.storage.files.set(json(9), table.storage.files.get(json(2))!);

    const { problems } = await judgeTable(table.storage, table.root);

    expect(problems.join('\n')).toMatch(/version 3 is missing[\s\S]*_last_checkpoint says/);
  });
});
