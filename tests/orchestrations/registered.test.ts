// The stories under test are those that ship: the test host registers the very orchestrations, entities and activities that the app does.
import { expect, test } from 'vitest';
import { type FunctionApp, loadFunctionApp } from '../../local/host/core/function-app.ts';
import { createStoryWorld } from '../support/story-host.ts';

const SETTINGS = {
  Lake: 'UseDevelopmentStorage=true',
  LandingEvents: 'UseDevelopmentStorage=true',
  State: 'UseDevelopmentStorage=true',
  SLUICE_LAKE_ACCOUNT: 'devstoreaccount1',
  SLUICE_LAKE_CONTAINER: 'lake',
  SLUICE_TOKEN_ISSUER: 'https://issuer.example',
  SLUICE_TOKEN_AUDIENCE: 'api://sluice',
  SLUICE_JWKS_URI: 'https://issuer.example/keys',
};
const DURABLE = new Set(['orchestrationTrigger', 'activityTrigger', 'entityTrigger']);

function durableFunctions(app: FunctionApp): string[] {
  return [...app.functions.values()]
    .flatMap(({ name, bindings }) => bindings.filter(({ type }) => DURABLE.has(type)).map(({ type }) => `${type} ${name}`))
    .sort();
}

test('the app and the test host register the same orchestrations, entities and activities', async () => {
  Object.assign(process.env, SETTINGS);
  const world = await createStoryWorld();

  const shipped = durableFunctions(await loadFunctionApp(async () => import('../../functions/app.ts')));

  expect(shipped.length).toBeGreaterThan(20);
  expect(durableFunctions(await loadFunctionApp(world.register))).toEqual(shipped);
});
