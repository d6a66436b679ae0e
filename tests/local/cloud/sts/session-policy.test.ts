// The subset of IAM policies that sessions are held to.
// What the subset does not know is refused and never ignored.
import { describe, expect, it } from 'vitest';
import { like, parsePolicy, permits, PolicyError } from '../../../../local/cloud/sts/session-policy.ts';

const policy = (...statements: object[]) => parsePolicy({ Version: '2012-10-17', Statement: statements });
const allow = (Action: string | string[], Resource: string | string[]) => ({ Effect: 'Allow', Action, Resource });

describe('permits', () => {
  it.each([
    ['s3:PutObject', 'arn:aws:s3:::lake/models/a/model.tar.gz', true],
    ['S3:putobject', 'arn:aws:s3:::lake/models/a', true],
    ['s3:PutObject', 'arn:aws:s3:::lake/other/a', false],
    ['s3:PutObject', 'arn:aws:s3:::LAKE/models/a', false],
    ['s3:GetObject', 'arn:aws:s3:::lake/models/a', false],
  ])('%s on %s → %s', (action, resource, expected) => {
    expect(permits(policy(allow('s3:PutObject', 'arn:aws:s3:::lake/models/*')), action, resource)).toBe(expected);
  });

  it('lets an explicit Deny win whatever the order', () => {
    const deny = { Effect: 'Deny', Action: 's3:Delete*', Resource: '*' };

    expect(permits(policy(allow('*', '*'), deny), 's3:DeleteObject', 'x')).toBe(false);
    expect(permits(policy(deny, allow('*', '*')), 's3:DeleteObject', 'x')).toBe(false);
    expect(permits(policy(deny, allow('*', '*')), 's3:GetObject', 'x')).toBe(true);
  });
});

describe('like', () => {
  it.each([
    ['*', '', true],
    ['a*c', 'abbc', true],
    ['a*c', 'abb', false],
    ['a?c', 'abc', true],
    ['a?c', 'ac', false],
    ['*a*b', 'xxaxxbxxb', true],
    ['a.c', 'abc', false],
  ])('%s against %s → %s', (pattern, text, expected) => {
    expect(like(pattern, text)).toBe(expected);
  });

  it('ends on a pattern that would blow up a backtracking matcher', () => {
    expect(like('*a'.repeat(40) + 'b', 'a'.repeat(5_000))).toBe(false);
  });
});

describe('parsePolicy', () => {
  it.each([
    ['text that is not JSON', 'nope'],
    ['an old version', { Version: '2008-10-17', Statement: [allow('*', '*')] }],
    ['no statement', { Version: '2012-10-17', Statement: [] }],
    ['NotAction', { Version: '2012-10-17', Statement: { Effect: 'Allow', NotAction: 's3:*', Resource: '*' } }],
    ['Condition', { Version: '2012-10-17', Statement: { ...allow('*', '*'), Condition: {} } }],
    ['a missing resource', { Version: '2012-10-17', Statement: { Effect: 'Allow', Action: '*' } }],
    ['another effect', { Version: '2012-10-17', Statement: { Effect: 'allow', Action: '*', Resource: '*' } }],
  ])('refuses %s', (_, document) => {
    expect(() => parsePolicy(document)).toThrow(PolicyError);
  });
});
