import { describe, expect, test } from 'vitest';
import { createOutput, seconds } from '../../cli/output.ts';

function captured(json: boolean): { output: ReturnType<typeof createOutput>; out: () => string; err: () => string } {
  const texts = { out: '', err: '' };
  const stream = (name: 'out' | 'err') =>
    ({ isTTY: false, write: (text: string) => ((texts[name] += text), true) }) as unknown as NodeJS.WriteStream;
  return { output: createOutput({ json, out: stream('out'), err: stream('err') }), out: () => texts.out, err: () => texts.err };
}

describe('what people see', () => {
  test('control characters of foreign text cannot steer the terminal', () => {
    const { output, out } = captured(false);

    output.line('a\u001b]0;title\u0007b\u001b[2Jc\u009bd\te');

    expect(out()).toBe('a]0;titleb[2Jcd\te\n');
  });

  test('columns are as wide as their widest cell', () => {
    const { output, out } = captured(false);

    output.table(['a', 'b'], [['longer', 'x']]);

    expect(out()).toBe('  a       b\n  longer  x\n');
  });

  test('with --json people read stderr, and stdout holds one line', () => {
    const { output, out, err } = captured(true);

    output.line('for people');
    output.result({ ok: true });

    expect(out()).toBe('{"ok":true}\n');
    expect(err()).toBe('for people\n');
  });

  test('seconds as people read them', () => {
    expect([seconds(0.04), seconds(59.94), seconds(59.96), seconds(125)]).toEqual(['0.0 s', '59.9 s', '1 min 0 s', '2 min 5 s']);
  });
});
