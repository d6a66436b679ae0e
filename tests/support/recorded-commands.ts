// What an orchestration asks of the engine, as lines that can be recorded: names and shapes, no values that differ from run to run.
// A running instance replays its whole history through the newest code: the code must ask for the same things in the same order.
import type { Action } from '../../local/host/durable/actions.ts';

const TIMER = 5;
const NAMES: Readonly<Record<number, string>> = {
  0: 'activity',
  1: 'activity',
  2: 'sub-orchestration',
  3: 'sub-orchestration',
  4: 'continue as new',
  [TIMER]: 'timer',
  6: 'event',
  7: 'entity',
  8: 'http',
  9: 'signal',
  10: 'signal later',
  11: 'any of',
  12: 'all of',
};

/** One line per command, in order. */
export function commandLines(actions: readonly Action[]): string[] {
  return actions.map(line);
}

function line(action: Action): string {
  const kind = NAMES[action.actionType] ?? `action ${action.actionType}`;
  if (action.compoundActions) return `${kind} [${action.compoundActions.map(line).join('; ')}]`;
  if (action.actionType === TIMER) return kind;
  // `@name@key`: the key is a value.
  const entity = action.actionType === 7 || action.actionType === 9 ? `${action.instanceId?.split('@')[1]}.${action.operation}` : '';
  const name = action.functionName ?? action.externalEventName ?? entity;
  const input = action.input === undefined ? '' : shapeOf(parsed(action.input));
  return [kind, name, input, retryWords(action)].filter((part) => part !== '').join(' ');
}

function retryWords({ retryOptions: retry }: Action): string {
  if (!retry) return '';
  const {
    firstRetryIntervalInMilliseconds: first,
    maxNumberOfAttempts: tries,
    backoffCoefficient = 1,
    maxRetryIntervalInMilliseconds,
  } = retry;
  return `retry ${tries}x ${first} ms *${backoffCoefficient} <=${maxRetryIntervalInMilliseconds ?? 'any'}`;
}

/** Inputs of entities and of continueAsNew are JSON texts. */
function parsed(input: unknown): unknown {
  if (typeof input !== 'string' || !/^[{["]/.test(input)) return input;
  try {
    return JSON.parse(input) as unknown;
  } catch {
    return input;
  }
}

/** Types and member names of a value; of a list, the different shapes of its items. */
export function shapeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return `[${[...new Set(value.map(shapeOf))].sort().join(' | ')}]`;
  if (typeof value !== 'object') return typeof value;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${name}: ${shapeOf(member)}`).join(', ')}}`;
}

export interface Recorded {
  orchestration: string;
  version: string;
  /** Lines by scenario. */
  scenarios: Record<string, string[]>;
}

/** Null when both ask for the same; else what differs, what running instances would suffer, and what to do. */
export function difference(
  { orchestration, version, scenario }: { orchestration: string; version: string; scenario: string },
  recorded: readonly string[],
  actual: readonly string[],
): string | null {
  const at = Array.from({ length: Math.max(recorded.length, actual.length) }, (_, index) => index).find(
    (index) => recorded[index] !== actual[index],
  );
  if (at === undefined) return null;
  const [before, after] = [recorded[at] ?? 'nothing', actual[at] ?? 'nothing'];
  const suffer =
    withoutShapes(before) === withoutShapes(after)
      ? 'Instances that run while this is deployed send the recorded input to the new activity, entity or story, and read the recorded output: its contract must take both.'
      : 'Instances that run while this is deployed replay their history through the new code: the engine finds another command than it remembers and ends them as Failed ' +
        '("Non-Deterministic workflow detected"), wherever they are: a promotion that has moved traffic is then not undone, its lock is held until the lease ends, and its run stays "running".';
  return [
    `"${orchestration}" of version ${version} asks for something else than was recorded, in scenario "${scenario}", command ${at + 1}:`,
    `  recorded: ${before}`,
    `  now:      ${after}`,
    suffer,
    `What to do: raise "defaultVersion" in host.json, keep what ${version} did behind \`context.df.version\` for as long as its instances may run, and record the new version:`,
    '  UPDATE_COMMANDS=1 npx vitest run tests/orchestrations/commands.test.ts',
    `The files of ${version} stay: this test holds the code to every recorded version. Only when no instance of ${version} has ever run outside of tests may its files be recorded anew,`,
    'by the same command.',
  ].join('\n');
}

/** What the engine compares when it replays: kind, name and tries, not inputs. */
function withoutShapes(text: string): string {
  const shorter = text.replaceAll(/ ?\{[^{}]*\}/g, '');
  return shorter === text ? text : withoutShapes(shorter);
}
