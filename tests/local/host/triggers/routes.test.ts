// Route templates: what they match, what they extract, and which of several is asked first.
import { describe, expect, it } from 'vitest';
import { compareRoutes, parseRoute } from '../../../../local/host/triggers/http/routes.ts';

const match = (template: string, path: string) => {
  const values = parseRoute(template).match(path === '' ? [] : path.split('/'));
  return values && Object.fromEntries(values);
};

describe('matching', () => {
  it.each([
    ['runs', 'runs', {}],
    ['Runs/Active', 'runs/active', {}],
    ['runs/{id}', 'runs/r-1', { id: 'r-1' }],
    ['runs/{id}', 'runs', undefined],
    ['runs/{id}', 'runs/r-1/more', undefined],
    ['runs/{id?}', 'runs', {}],
    ['runs/{id?}', 'runs/7', { id: '7' }],
    ['runs/{id=latest}', 'runs', { id: 'latest' }],
    ['runs/{id:int}', 'runs/7', { id: '7' }],
    ['runs/{id:int}', 'runs/seven', undefined],
    ['runs/{id:int}', 'runs/2147483648', undefined],
    ['runs/{id:int?}', 'runs', {}],
    ['runs/{id:guid}', 'runs/eee2dc9e-e53e-4ce8-9e32-7dd37c3dcf06', { id: 'eee2dc9e-e53e-4ce8-9e32-7dd37c3dcf06' }],
    ['runs/{id:alpha:maxlength(3)}', 'runs/abc', { id: 'abc' }],
    ['runs/{id:alpha:maxlength(3)}', 'runs/abcd', undefined],
    ['runs/{id:regex(^r-\\d+$)}', 'runs/r-12', { id: 'r-12' }],
    ['runs/{id:regex(^r-\\d+$)}', 'runs/x-12', undefined],
    ['runs/{id:range(1,5)}', 'runs/6', undefined],
    ['files/{*path}', 'files/a/b/c.txt', { path: 'a/b/c.txt' }],
    ['files/{*path}', 'files', {}],
    ['files/{name}.{ext}', 'files/a.b.csv', { name: 'a.b', ext: 'csv' }],
    ['files/{name}.{ext}', 'files/plain', undefined],
    ['', '', {}],
    ['{*all}', 'any/thing', { all: 'any/thing' }],
  ])('%s against %s', (template, path, expected) => {
    expect(match(template, path)).toEqual(expected);
  });
});

describe('order', () => {
  it('asks literals before parameters, constrained before free, longer before shorter, catch-all last', () => {
    const templates = ['{*rest}', 'runs/{id}', 'runs/active', 'runs/{id:int}', 'runs', 'runs/{id}/logs', '{area}'];
    const sorted = templates
      .map(parseRoute)
      .sort(compareRoutes)
      .map((route) => route.template);
    expect(sorted).toEqual(['runs/active', 'runs/{id:int}', 'runs/{id}/logs', 'runs/{id}', 'runs', '{area}', '{*rest}']);
  });
});

describe('bad templates', () => {
  it.each([
    ['runs/{id', /"\{id" is not a valid part/],
    ['runs/{id}/{ID}', /"id" occurs twice/],
    ['{*rest}/more', /catch-all parameter must be last/],
    ['a{*rest}', /must stand alone/],
    ['runs/{id:colour}', /"colour" is not a known constraint/],
    ['runs/{id:range(a)}', /not a known constraint/],
    ['runs//x', /not a valid part/],
    ['runs/{}', /"\{\}" is not a valid parameter/],
  ])('%s is refused', (template, message) => {
    expect(() => parseRoute(template)).toThrow(message);
  });
});
