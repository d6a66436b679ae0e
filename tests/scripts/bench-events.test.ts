// The pure parts of the benchmarks: ratios by round, numbers from the command line, and which storage transaction a request is.
import { describe, expect, test } from 'vitest';
import { compared, median, numberFlag } from '../../scripts/bench/figures.ts';
import { messagesOf } from '../../scripts/bench/intake-site.ts';
import { cpuSecondsOf, ownCpuSeconds } from '../../scripts/bench/processor.ts';
import { tally, transactionOf } from '../../scripts/bench/requests.ts';
import { deserializeEvents } from '../../shared/adapters/eventgrid/deserialize.ts';

describe('figures', () => {
  test('the ratio is taken round by round, so a slow round of both changes nothing', () => {
    expect(compared([10, 100, 12], [20, 200, 20])).toEqual({ ours: 12, bare: 20, ratio: 0.5, from: 0.5, to: 0.6 });
    expect(median([3, 1, 2, 9])).toBe(3);
    expect(() => compared([1], [])).toThrow('1 and 0 rounds');
  });

  test('a number is read from the command line, and nonsense is refused by name', () => {
    expect(numberFlag(['--messages', '50'], 'messages', 7)).toBe(50);
    expect(numberFlag([], 'messages', 7)).toBe(7);
    for (const bad of ['0', '-1', 'many', '']) expect(() => numberFlag(['--messages', bad], 'messages', 7)).toThrow('--messages');
  });
});

describe('requests', () => {
  test.each([
    ['GET', '/devstoreaccount1/landing-events/messages?numofmessages=16', 'queue receive'],
    ['POST', '/devstoreaccount1/landing-events/messages', 'queue send'],
    ['DELETE', '/devstoreaccount1/landing-events/messages/6f?popreceipt=x', 'queue delete'],
    ['POST', '/devstoreaccount1/$batch', 'table batch'],
    ['GET', "/devstoreaccount1/ledger(PartitionKey='p',RowKey='head')", 'ledger get'],
    ['GET', '/devstoreaccount1/guards()?$filter=x', 'guards query'],
    ['GET', '/devstoreaccount1/ledger()?NextPartitionKey=a', 'ledger query, next page'],
    ['PUT', "/devstoreaccount1/ledger(PartitionKey='~recent-1',RowKey='2')", 'ledger put'],
    ['PATCH', "/devstoreaccount1/ledger(PartitionKey='p',RowKey='q')", 'ledger merge'],
    ['POST', '/devstoreaccount1/ledger?$format=json', 'ledger insert'],
  ])('%s %s is a %s', (method, path, kind) => {
    expect(transactionOf({ method, path })).toBe(kind);
  });

  test('are told most frequent first', () => {
    expect(Object.entries(tally(['b', 'a', 'c', 'c']))).toEqual([
      ['c', 2],
      ['a', 1],
      ['b', 1],
    ]);
  });
});

test.runIf(process.platform === 'linux')('the processor time of a process is read from the system, and of none it is no number', () => {
  const before = cpuSecondsOf(process.pid);
  let after = cpuSecondsOf(process.pid);
  while (after <= before) after = cpuSecondsOf(process.pid);

  expect(before).toBeGreaterThan(0);
  expect(after).toBeGreaterThan(before);
  expect(ownCpuSeconds()).toBeGreaterThan(0);
  expect(cpuSecondsOf(2 ** 30)).toBeNaN();
});

test('the messages are what Event Grid writes: each is one event of another file', async () => {
  const bodies = messagesOf('r', 3).map((text) => JSON.parse(Buffer.from(text, 'base64').toString('utf8')) as unknown);
  const events = (await Promise.all(bodies.map((body) => deserializeEvents(body)))).flatMap((read) => read.events);

  expect(events.map((event) => (event as { path: string }).path)).toEqual([0, 1, 2].map((index) => `bronze/ble-location/r/${index}.csv`));
});
