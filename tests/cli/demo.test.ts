// The demo around its story: what --keep keeps when the story fails, and what is left when a person stops it. The stack is a stand-in.
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { demo } from '../../cli/commands/demo.ts';
import { createContext } from '../../cli/context.ts';
import type { Output } from '../../cli/output.ts';
import { startStack, type Stack, type StackOptions } from '../../local/stack/stack.ts';

vi.mock('../../local/stack/stack.ts', () => ({ startStack: vi.fn() }));

let lines: string[];
let stopped: number;
let folder: string;

const output = {
  line: (text = '') => void lines.push(text),
  field: () => undefined,
  result: () => undefined,
  paint: { bold: String, red: String },
} as unknown as Output;
const context = createContext({ output, environment: {}, root: process.cwd(), dataDir: '/nowhere' });

beforeEach(() => {
  lines = [];
  stopped = 0;
});
afterEach(() => vi.restoreAllMocks());

/** A stack that is up and has no API: every story fails at once. */
async function silent(options: StackOptions): Promise<Stack> {
  folder = options.dataDir;
  const stop = async () => void (stopped += 1);
  return { urls: {}, failed: new Promise(() => undefined), stop } as unknown as Stack;
}

test('--keep keeps a story that failed, until it is told to stop', async () => {
  vi.mocked(startStack).mockImplementation(silent);

  const ran = demo.run(context, [], { keep: true, data: 'package.json' }).catch((error: unknown) => error);
  await vi.waitUntil(() => lines.some((line) => line.includes('Stop with Ctrl-C')));
  expect(lines.join('\n')).toContain('The story did not end well: No Sluice is running here');
  expect([stopped, existsSync(folder)]).toEqual([0, true]);
  process.emit('SIGINT');

  expect(await ran).toMatchObject({ name: 'CommandError' });
  expect([stopped, existsSync(folder)]).toEqual([1, false]);
});

test('without it nothing stays, also not a listener for signals', async () => {
  vi.mocked(startStack).mockImplementation(silent);
  const listeners = process.listenerCount('SIGTERM');

  await expect(demo.run(context, [], { data: 'package.json' })).rejects.toMatchObject({ name: 'CommandError' });

  expect([stopped, existsSync(folder)]).toEqual([1, false]);
  expect(process.listenerCount('SIGTERM')).toBe(listeners);
});

test('who stops it while it comes up finds no folder left', async () => {
  const exit = vi.spyOn(process, 'exit').mockImplementation((() => undefined) as never);
  vi.mocked(startStack).mockImplementation((options) => {
    folder = options.dataDir;
    return new Promise(() => undefined);
  });
  void demo.run(context, [], { data: 'package.json' });
  await vi.waitUntil(() => vi.mocked(startStack).mock.calls.length > 0 && existsSync(folder));

  process.emit('SIGTERM');

  await vi.waitUntil(() => exit.mock.calls.length > 0);
  expect(exit).toHaveBeenCalledWith(1);
  expect(existsSync(folder)).toBe(false);
});
