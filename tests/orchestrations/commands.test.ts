// Every shipped version of every orchestration goes on asking for what it was recorded to ask for: running instances replay it.
// UPDATE_COMMANDS=1 records the version that host.json names.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { commandLines, difference, type Recorded, shapeOf } from '../support/recorded-commands.ts';
import { SHIPPED_VERSION } from '../support/story-host.ts';
import { commandsIn, SCENARIOS } from '../support/story-scenarios.ts';

const FOLDER = 'tests/orchestrations/recorded';
/** Trainings and what they wait with are in training-commands.test.ts. */
const ORCHESTRATIONS = ['land', 'adopt', 'collect', 'retrain', 'refine', 'promote', 'extract', 'await-extraction'];
const update = process.env['UPDATE_COMMANDS'] === '1';
const fileOf = (orchestration: string, version: string): string => join(FOLDER, `${orchestration}-${version}.json`);

function recorded(): Recorded[] {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
  return files.map((name) => JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as Recorded);
}

async function record(version: string): Promise<void> {
  const scenarios = new Map<string, Record<string, string[]>>(ORCHESTRATIONS.map((name) => [name, {}]));
  for (const scenario of Object.keys(SCENARIOS)) {
    for (const [orchestration, actions] of await commandsIn(scenario, version)) {
      Object.assign(scenarios.get(orchestration) ?? {}, { [scenario]: commandLines(actions) });
    }
  }
  mkdirSync(FOLDER, { recursive: true });
  for (const [orchestration, lines] of scenarios) {
    const file: Recorded = { orchestration, version, scenarios: lines };
    writeFileSync(fileOf(orchestration, version), `${JSON.stringify(file, null, 2)}\n`);
  }
}

if (update) {
  beforeAll(() => record(SHIPPED_VERSION), 120_000);
}

test('the shipped version of every orchestration is recorded, on every way that is about it', () => {
  const names = recorded().filter(({ version }) => version === SHIPPED_VERSION);
  const mend = `record version ${SHIPPED_VERSION}: UPDATE_COMMANDS=1 npx vitest run tests/orchestrations/commands.test.ts`;
  expect(names.map(({ orchestration }) => orchestration).sort(), mend).toEqual([...ORCHESTRATIONS].sort());
  for (const { orchestration, scenarios } of names) {
    const about = Object.keys(SCENARIOS).filter((name) => SCENARIOS[name]?.of.includes(orchestration));
    expect(Object.keys(scenarios), mend).toEqual(about);
    for (const lines of Object.values(scenarios)) expect(lines.length).toBeGreaterThan(0);
  }
});

describe.each(
  update
    ? []
    : recorded()
        .map(({ version }) => version)
        .filter((version, index, all) => all.indexOf(version) === index),
)('version %s', (version) => {
  test.each(Object.keys(SCENARIOS))('asks for what was recorded: %s', async (scenario) => {
    for (const [orchestration, actions] of await commandsIn(scenario, version)) {
      const before = recorded().find((file) => file.orchestration === orchestration && file.version === version)?.scenarios[scenario];
      if (!before) continue;
      const problem = difference({ orchestration, version, scenario }, before, commandLines(actions));
      if (problem !== null) expect.fail(problem);
    }
  });
});

describe('a difference', () => {
  const place = { orchestration: 'train', version: '1.0', scenario: 'first file' };
  const call = (name: string, input: unknown) => commandLines([{ actionType: 0, functionName: name, input }]);

  test('of a name says that running instances fail, and what to do', () => {
    const said = difference(place, call('read-plan', { a: 1 }), call('read-job', { a: 1 })) ?? '';

    expect(said).toContain('"train" of version 1.0 asks for something else than was recorded, in scenario "first file", command 1:');
    expect(said).toContain('  recorded: activity read-plan {a: number}\n  now:      activity read-job {a: number}');
    expect(said).toContain('Non-Deterministic workflow detected');
    expect(said).toContain('raise "defaultVersion" in host.json');
    expect(said).toContain('UPDATE_COMMANDS=1');
  });

  test('of a command more or less is one', () => {
    const two = [...call('a', 1), ...call('b', 1)];

    expect(difference(place, two, two.slice(0, 1))).toContain('now:      nothing');
    expect(difference(place, two.slice(0, 1), two)).toContain('recorded: nothing');
  });

  test('of an input only says that both inputs must be taken', () => {
    const said = difference(place, call('read-plan', { a: [{ c: 1 }] }), call('read-plan', { a: [{ c: 1 }], b: { d: 2 } })) ?? '';

    expect(said).toContain('its contract must take both');
    expect(said).not.toContain('Non-Deterministic');
  });

  test('of retry options is one, of values is none', () => {
    const retry = (attempts: number) =>
      commandLines([
        {
          actionType: 1,
          functionName: 'a',
          input: {},
          retryOptions: { firstRetryIntervalInMilliseconds: 1, maxNumberOfAttempts: attempts },
        },
      ]);

    expect(difference(place, retry(3), retry(4))).toContain('Non-Deterministic');
    expect(difference(place, call('a', { id: 'x', n: [1, 2] }), call('a', { id: 'y', n: [3] }))).toBeNull();
  });

  test('sees timers, events, entities and what is waited for together', () => {
    const actions = [
      { actionType: 7, instanceId: '@endpoint-lock@sagemaker.x', operation: 'acquire', input: '{"owner":"a"}' },
      {
        actionType: 11,
        compoundActions: [
          { actionType: 5, fireAt: 'x', isCanceled: true },
          { actionType: 6, externalEventName: 'cancel' },
        ],
      },
    ];

    expect(commandLines(actions)).toEqual(['entity endpoint-lock.acquire {owner: string}', 'any of [timer; event cancel]']);
    expect(shapeOf([{ b: null, a: [1, 'x'] }])).toBe('[{a: [number | string], b: null}]');
  });
});
