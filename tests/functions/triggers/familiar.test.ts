// The memory of places is bounded: the oldest are forgotten, and what comes again stays.
import { expect, test } from 'vitest';
import { createFamiliar } from '../../../functions/triggers/familiar.ts';

const place = (path: string) => ({ account: 'acct', container: 'lake', path });

test('a place is familiar once it was seen, in its own account and container', () => {
  const familiar = createFamiliar();
  expect(familiar.has(place('a'))).toBe(false);

  familiar.add(place('a'));

  expect(familiar.has(place('a'))).toBe(true);
  expect(familiar.has({ ...place('a'), container: 'other' })).toBe(false);
});

test('the places that were seen longest ago are forgotten first', () => {
  const familiar = createFamiliar(3);
  for (const path of ['a', 'b', 'c', 'a', 'd']) familiar.add(place(path));

  expect(['a', 'b', 'c', 'd'].filter((path) => familiar.has(place(path)))).toEqual(['a', 'c', 'd']);
});
