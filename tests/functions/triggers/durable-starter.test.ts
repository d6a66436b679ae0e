// The port Starter over the durable client's own words: what it answers for an id that is known, over, unknown, or odd.
import type { DurableClient } from 'durable-functions';
import { expect, test } from 'vitest';
import { createStarter } from '../../../functions/triggers/durable-starter.ts';

const ID = 'train-ble-location-0123456789abcdef-a1';
const UNKNOWN = new Error('DurableClient error: Durable Functions extension replied with HTTP 404 response. This usually means …');

function client(state: string | Error) {
  const calls: string[] = [];
  const over = {
    getStatus: () => (state instanceof Error ? Promise.reject(state) : Promise.resolve({ runtimeStatus: state })),
    raiseEvent: async (id: string, event: string) => void calls.push(`${event} to ${id}`),
    startNew: async (story: string) => void calls.push(`start ${story}`),
  };
  return { calls, starter: createStarter(over as unknown as DurableClient) };
}

test.each(['Running', 'Pending', 'Suspended', 'ContinuedAsNew'])('an instance that is %s hears an event', async (state) => {
  const { calls, starter } = client(state);

  expect(await starter.raise(ID, 'cancel', {})).toBe('sent');
  expect(calls).toEqual([`cancel to ${ID}`]);
});

test.each(['Completed', 'Failed', 'Terminated', UNKNOWN])('nobody hears an event to one that is over or unknown: %s', async (state) => {
  const { calls, starter } = client(state);

  expect(await starter.raise(ID, 'cancel', {})).toBe('nobody');
  expect(calls).toEqual([]);
});

test('a start finds what is there, also when it is over', async () => {
  expect(await client('Completed').starter.start('train', ID, {})).toBe('exists');
  const { calls, starter } = client(UNKNOWN);
  expect(await starter.start('train', ID, {})).toBe('started');
  expect(calls).toEqual(['start train']);
});

test('an engine that does not answer is a reason to come again', async () => {
  const { starter } = client(new Error('connect ECONNREFUSED'));

  await expect(starter.raise(ID, 'cancel', {})).rejects.toMatchObject({ name: 'TransientError', code: 'engine-unavailable' });
  await expect(starter.start('train', ID, {})).rejects.toMatchObject({ code: 'engine-unavailable' });
});

test.each(['a#b', '../x', 'a'.repeat(101), ''])('"%s" is no id of ours', async (id) => {
  await expect(client('Running').starter.raise(id, 'cancel', {})).rejects.toMatchObject({ code: 'instance-id-odd' });
});
