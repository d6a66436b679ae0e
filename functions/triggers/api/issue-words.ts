// What is wrong with a value that a caller sent, in words for a person; sentences of our own schemas stay as they are.
import type { z } from 'zod';

const PLAIN: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  null: 'null',
};

/** Texts that the schema library makes; every other one was written for the field in question. */
const GENERIC = /^(Invalid|Too (small|big))\b/;

const FORMATS: Readonly<Record<string, string>> = {
  datetime: 'a time such as 2026-11-23T06:00:00Z',
  url: 'an address such as https://host/path',
  uuid: 'a UUID',
};

export function issueWords(issue: z.core.$ZodIssue): string {
  if (!GENERIC.test(issue.message)) return issue.message;
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${PLAIN[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `expected ${issue.values.length === 1 ? '' : 'one of '}${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return bound(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum);
    case 'too_big':
      return bound(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum);
    case 'invalid_format':
      return `expected ${FORMATS[issue.format] ?? 'another form'}`;
    case 'invalid_union':
      return issue.discriminator === undefined ? 'not of any form that is taken' : issue.message;
    default:
      return issue.message;
  }
}

function bound(origin: string, words: string, limit: number | bigint): string {
  if (origin === 'string') return Number(limit) === 1 ? 'expected some text' : `expected ${words} ${limit} characters`;
  if (origin === 'array' || origin === 'set') return `expected ${words} ${limit} entries`;
  return `expected ${words} ${limit}`;
}
