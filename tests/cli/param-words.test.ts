// What people type for parameters and searches.
import { describe, expect, test } from 'vitest';
import { parseParams, parseSpace } from '../../cli/param-words.ts';

describe('parameters', () => {
  test('are numbers, booleans, lists of numbers, or text', () => {
    expect(parseParams(['alpha=0.1', 'fast=true', 'layers=[64, 32]', 'kind=a=b', 'fit.alpha=1e-3'])).toEqual({
      alpha: 0.1,
      fast: true,
      layers: [64, 32],
      kind: 'a=b',
      'fit.alpha': 0.001,
    });
  });

  test.each(['alpha', '=1', 'alpha=', 'layers=[1,x]', 'layers=[]', '__proto__=1', 'a.b.c=1', 'al pha=1'])(
    '%s is refused with an example or a reason',
    (word) => {
      expect(() => parseParams([word])).toThrow(word);
    },
  );
});

test.each([() => parseParams(['alpha=1', 'alpha=2']), () => parseSpace(['alpha=1,2', 'alpha=uniform:0:1'])])(
  'a name that is given twice is refused',
  (parse) => expect(parse).toThrow('"alpha" is given more than once'),
);

describe('a space', () => {
  test('is a choice, a range, or a range of magnitudes', () => {
    expect(parseSpace(['alpha=0.01,0.1', 'kind=a,b', 'share=uniform:0:0.5', 'rate=log:0.001:1'])).toEqual({
      alpha: { choice: [0.01, 0.1] },
      kind: { choice: ['a', 'b'] },
      share: { uniform: [0, 0.5] },
      rate: { logUniform: [0.001, 1] },
    });
  });

  test('may choose among texts with colons', () => {
    expect(parseSpace(['place=s3://a,s3://b'])).toEqual({ place: { choice: ['s3://a', 's3://b'] } });
  });

  test.each(['share=uniform:1:0', 'share=log:a:b', 'share=log:0:1', 'share=lg:0.1:1'])('%s is refused', (word) =>
    expect(() => parseSpace([word])).toThrow(word),
  );
});
