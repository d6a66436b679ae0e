// Roles: what implies what, and what a suffix narrows.
import { describe, expect, it } from 'vitest';
import type { Role } from '../../../shared/contracts/access.ts';
import { allowed, allowedSomewhere, parseGrant, type Scope } from '../../../shared/decisions/allowed.ts';

const may = (roles: string[], needed: Role, scope: Scope = {}) => allowed(roles, needed, scope).allowed;

describe('a role without suffix', () => {
  it.each<[string, Role[]]>([
    ['reader', ['reader']],
    ['operator', ['reader', 'operator']],
    ['approver', ['reader', 'approver']],
    ['admin', ['reader', 'operator', 'approver', 'admin']],
  ])('%s grants %j and nothing else', (role, granted) => {
    const all: Role[] = ['reader', 'operator', 'approver', 'admin'];

    expect(all.filter((needed) => may([role], needed))).toEqual(granted);
    expect(all.filter((needed) => may([role], needed, { pipeline: 'a', environment: 'prod' }))).toEqual(granted);
  });
});

describe('a role with a suffix', () => {
  it('holds for its pipeline only', () => {
    expect(may(['operator:ble-location'], 'operator', { pipeline: 'ble-location' })).toBe(true);
    expect(may(['operator:ble-location'], 'reader', { pipeline: 'ble-location', environment: 'prod' })).toBe(true);
    expect(may(['operator:ble-location'], 'operator', { pipeline: 'ble' })).toBe(false);
    expect(may(['operator:ble-location'], 'operator')).toBe(false);
  });

  it('holds for its environment only', () => {
    expect(may(['approver@prod'], 'approver', { pipeline: 'a', environment: 'prod' })).toBe(true);
    expect(may(['approver@prod'], 'approver', { pipeline: 'a', environment: 'dev' })).toBe(false);
    expect(may(['approver@prod'], 'approver', { pipeline: 'prod' })).toBe(false);
  });

  it('with both parts needs both', () => {
    const roles = ['operator:a@dev'];

    expect(may(roles, 'operator', { pipeline: 'a', environment: 'dev' })).toBe(true);
    expect(may(roles, 'operator', { pipeline: 'a', environment: 'prod' })).toBe(false);
    expect(may(roles, 'operator', { pipeline: 'b', environment: 'dev' })).toBe(false);
  });

  it('is never put together from two grants', () => {
    expect(may(['operator:a', 'operator@prod'], 'operator', { pipeline: 'b', environment: 'dev' })).toBe(false);
    expect(may(['reader', 'operator:a'], 'operator', { pipeline: 'b' })).toBe(false);
  });
});

it('names the smallest grant that is missing', () => {
  expect(allowed(['reader'], 'operator', {})).toEqual({ allowed: false, missing: 'operator' });
  expect(allowed(['reader'], 'operator', { pipeline: 'a', environment: 'dev' })).toEqual({ allowed: false, missing: 'operator:a@dev' });
  expect(allowed(['admin'], 'operator', { pipeline: 'a' })).toEqual({ allowed: true, by: 'admin' });
});

it('knows a role that holds somewhere', () => {
  expect(allowedSomewhere(['operator:a'], 'operator').allowed).toBe(true);
  expect(allowedSomewhere(['reader', 'approver:a'], 'operator')).toEqual({ allowed: false, missing: 'operator' });
});

it.each([
  '',
  'Admin',
  'admin ',
  'admin:',
  'admin@',
  'operator:A',
  'operator:a:b',
  'operator@a:b',
  'superuser',
  'operator:*',
  '__proto__',
  'constructor',
])('takes %j for no grant', (text) => {
  expect(parseGrant(text)).toBeNull();
  expect(may([text], 'reader', { pipeline: 'a' })).toBe(false);
});
