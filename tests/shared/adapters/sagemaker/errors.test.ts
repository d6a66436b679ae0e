// Whatever AWS says or does not say: what is made of it holds no part of the exchange, because loggers print errors with all they carry.
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { translate, translateInvocation } from '../../../../shared/adapters/sagemaker/errors.ts';

function sdkError(name: string, status?: number): Error {
  const error = new Error('the SDK says so', { cause: Object.assign(new Error('below'), { $response: { token: 'SESSION-TOKEN' } }) });
  return Object.assign(error, {
    name,
    $response: { headers: { 'x-amz-security-token': 'SESSION-TOKEN' } },
    ...(status === undefined ? {} : { $metadata: { httpStatusCode: status } }),
  });
}

test.each([
  ['SyntaxError', undefined, 'platform-unreachable'],
  ['InternalFailure', 500, 'platform-failing'],
  ['AccessDeniedException', 403, 'platform-forbidden'],
  ['ValidationException', 400, 'platform-refused'],
])('an answer that is a %s %s', (name, status, code) => {
  const error = translate(sdkError(name, status), 'create model "x"');

  expect(error).toMatchObject({ code });
  expect(inspect(error, { depth: 10 })).not.toContain('SESSION-TOKEN');
});

test.each([
  ['ModelNotReadyException', 429],
  ['ServiceUnavailable', 503],
  ['ModelError', 424],
])('an invocation that ends as %s %s', (name, status) => {
  expect(inspect(translateInvocation(sdkError(name, status), 'x'), { depth: 10 })).not.toContain('SESSION-TOKEN');
});

test('a mistake of ours before anything was sent stays what it is', () => {
  const mistake = Object.assign(new TypeError('x is not a function'), { request: { token: 'SESSION-TOKEN' } });

  const error = translate(mistake, 'create model "x"');

  expect(error).toMatchObject({ name: 'TypeError', message: 'x is not a function', stack: mistake.stack });
  expect(inspect(error, { depth: 10 })).not.toContain('SESSION-TOKEN');
});
