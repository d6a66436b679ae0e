// The command line: what it means, and what does not fit.
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCommandLine } from '../../../../local/host/command-line.ts';

describe('the command line', () => {
  it('has defaults for everything', () => {
    expect(readCommandLine([])).toEqual({
      app: resolve('.'),
      port: undefined,
      dataDir: resolve('.local-host'),
      profile: 'bundle',
      enableAuth: false,
      logFormat: 'text',
      json: false,
    });
  });

  it('takes every option', () => {
    const args = [
      '--app',
      'x',
      '--port',
      '0',
      '--data',
      'd',
      '--profile',
      'ext-3.14',
      '--enable-auth',
      '--clock',
      'system',
      '--log-format',
      'json',
      '--json',
    ];
    expect(readCommandLine(args)).toEqual({
      app: resolve('x'),
      port: 0,
      dataDir: resolve('d'),
      profile: 'ext-3.14',
      enableAuth: true,
      logFormat: 'json',
      json: true,
    });
    expect(readCommandLine(['--memory'])?.dataDir).toBeUndefined();
    expect(readCommandLine(['--help'])).toBeUndefined();
  });

  it.each([
    [['--port', 'many'], '--port must be 0 to 65535, found "many"'],
    [['--port', '70000'], '--port must be 0 to 65535'],
    [['--profile', 'v9'], '--profile must be bundle or ext-3.14, found "v9"'],
    [['--memory', '--data', 'x'], '--memory and --data exclude each other'],
    [['--clock', 'virtual'], '--clock must be system'],
    [['--colour'], "Unknown option '--colour'"],
    [['stray'], 'Unexpected argument'],
  ])('%j does not fit', (args, message) => {
    expect(() => readCommandLine(args)).toThrow(message);
    expect(() => readCommandLine(args)).toThrow('--app DIR');
  });
});
