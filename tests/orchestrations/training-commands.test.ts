// Trainings and searches go on asking for what was recorded, as commands.test.ts holds the other stories to it.
// UPDATE_COMMANDS=1 records the version that host.json names.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { commandLines, difference, type Recorded } from '../support/recorded-commands.ts';
import { commandsIn, type Orchestration, SCENARIOS } from '../support/training-scenarios.ts';

const FOLDER = 'tests/orchestrations/recorded/training';
const ORCHESTRATIONS: Orchestration[] = ['train', 'await-job', 'await-turn', 'sweep', 'sweep-trial'];
const host = JSON.parse(readFileSync('host.json', 'utf8')) as { extensions: { durableTask: { defaultVersion: string } } };
const SHIPPED = host.extensions.durableTask.defaultVersion;
const update = process.env['UPDATE_COMMANDS'] === '1';

function recorded(): Recorded[] {
  return readdirSync(FOLDER).map((name) => JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as Recorded);
}

async function record(version: string): Promise<void> {
  const lines = new Map<string, Record<string, string[]>>(ORCHESTRATIONS.map((name) => [name, {}]));
  for (const scenario of Object.keys(SCENARIOS)) {
    for (const [orchestration, actions] of await commandsIn(scenario, version)) {
      Object.assign(lines.get(orchestration) ?? {}, { [scenario]: commandLines(actions) });
    }
  }
  mkdirSync(FOLDER, { recursive: true });
  for (const [orchestration, scenarios] of lines) {
    const file: Recorded = { orchestration, version, scenarios };
    writeFileSync(join(FOLDER, `${orchestration}-${version}.json`), `${JSON.stringify(file, null, 2)}\n`);
  }
}

if (update) beforeAll(() => record(SHIPPED), 120_000);

test('the shipped version of each is recorded, with something in every scenario', () => {
  const mend = 'record it: UPDATE_COMMANDS=1 npx vitest run tests/orchestrations/training-commands.test.ts';
  const shipped = recorded().filter(({ version }) => version === SHIPPED);
  expect(shipped.map(({ orchestration }) => orchestration).sort(), mend).toEqual([...ORCHESTRATIONS].sort());
  for (const { scenarios } of shipped) for (const lines of Object.values(scenarios)) expect(lines.length).toBeGreaterThan(0);
  const known = new Set(shipped.flatMap(({ scenarios }) => Object.keys(scenarios)));
  expect([...known].sort(), mend).toEqual(Object.keys(SCENARIOS).sort());
});

test.each(Object.keys(SCENARIOS))('asks for what was recorded: %s', async (scenario) => {
  for (const version of new Set(recorded().map((file) => file.version))) {
    for (const [orchestration, actions] of await commandsIn(scenario, version)) {
      const before = recorded().find((file) => file.orchestration === orchestration && file.version === version)?.scenarios[scenario];
      if (!before) continue;
      const problem = difference({ orchestration, version, scenario }, before, commandLines(actions));
      if (problem !== null) expect.fail(problem);
    }
  }
});
