// What a caller reads when a value does not fit: words, never the schema library's own.
import * as z from 'zod';
import { expect, test } from 'vitest';
import { issueWords } from '../../../../functions/triggers/api/issue-words.ts';

test.each<[string, z.ZodType, unknown, string]>([
  ['a word of a closed set', z.enum(['open', 'closed']), 'shut', 'expected one of open, closed'],
  ['a fixed word', z.literal('all'), 'some', 'expected all'],
  ['letters for a number', z.coerce.number(), 'many', 'expected a number'],
  ['a broken number', z.number().int(), 1.5, 'expected a whole number'],
  ['a number too small', z.number().min(1), 0, 'expected at least 1'],
  ['a number too large', z.number().lt(5), 5, 'expected less than 5'],
  ['no text', z.string().min(1), '', 'expected some text'],
  ['too much text', z.string().max(3), 'four', 'expected at most 3 characters'],
  ['nothing at all', z.string(), undefined, 'expected text'],
  ['an empty list', z.array(z.string()).min(2), [], 'expected at least 2 entries'],
  ['a date for a time', z.iso.datetime(), '2026-11-23', 'expected a time such as 2026-11-23T06:00:00Z'],
  ['one of several forms', z.union([z.literal('all'), z.array(z.number())]), 7, 'not of any form that is taken'],
  ['a sentence of our own', z.string().regex(/^e-/, 'expected e- and 32 hex characters'), 'x', 'expected e- and 32 hex characters'],
])('%s', (_, schema, value, words) => {
  expect(schema.safeParse(value).error?.issues.map(issueWords)).toEqual([words]);
});
