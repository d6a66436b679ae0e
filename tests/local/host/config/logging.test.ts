// Log lines: filters of host.json by category, and the two formats.
import { describe, expect, it } from 'vitest';
import { createLog, type HostLogEntry, type LogFormat } from '../../../../local/host/config/logging.ts';
import type { LevelName } from '../../../../local/host/config/host-json.ts';

function written(levels: Record<string, LevelName>, entries: HostLogEntry[], format: LogFormat = 'text'): string[] {
  const lines: string[] = [];
  const now = () => new Date('2026-11-22T14:34:15.123Z');
  const log = createLog({ format, levels: new Map(Object.entries(levels)), write: (line) => lines.push(line), now });
  for (const entry of entries) log(entry);
  return lines;
}

const user = (functionName: string, level: HostLogEntry['level'], message = 'hello'): HostLogEntry => ({
  level,
  category: 'user',
  message,
  functionName,
});

describe('filters', () => {
  it('let a more exact category win over a shorter one and over the default', () => {
    const levels = { default: 'Warning', Function: 'Error', 'Function.refine': 'Debug', 'Function.refine.User': 'Trace' } as const;
    const lines = written(levels, [
      user('refine', 'trace', 'one'),
      user('train', 'warning', 'two'),
      user('train', 'error', 'three'),
      { level: 'debug', category: 'system', message: 'four', functionName: 'refine' },
      { level: 'trace', category: 'system', message: 'five', functionName: 'refine' },
      { level: 'information', category: 'system', message: 'six' },
      { level: 'warning', category: 'system', message: 'seven' },
    ]);
    expect(lines.map((line) => line.split(' ').at(-1))).toEqual(['one', 'three', 'four', 'seven']);
  });

  it('do not take "Function.re" for the beginning of "Function.refine"', () => {
    expect(written({ default: 'Information', 'Function.re': 'None' }, [user('refine', 'information')])).toHaveLength(1);
  });

  it('silence a part of the host', () => {
    const entry: HostLogEntry = { level: 'critical', category: 'system', message: 'x', source: 'Host.Triggers.DurableTask' };
    expect(written({ default: 'Trace', 'Host.Triggers.DurableTask': 'None' }, [entry])).toEqual([]);
  });
});

describe('formats', () => {
  it('text has time, level, function and message; further lines are set in', () => {
    expect(written({}, [user('refine', 'warning', 'first\nsecond')])).toEqual([
      '2026-11-22T14:34:15.123Z WARN  [refine] first\n    second',
    ]);
  });

  it('json has one object per line', () => {
    const [line = ''] = written({}, [{ ...user('refine', 'information', 'a\nb'), invocationId: 'i-1' }], 'json');
    expect(line).not.toContain('\n');
    expect(JSON.parse(line)).toEqual({
      time: '2026-11-22T14:34:15.123Z',
      level: 'information',
      category: 'Function.refine.User',
      message: 'a\nb',
      functionName: 'refine',
      invocationId: 'i-1',
    });
  });
});
