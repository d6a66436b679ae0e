// The real Bicep compiler over infra/azure, and rules over what it makes: only this sees types, loops and conditions resolved.
// Where there is no compiler these tests are skipped and say so; `tsx scripts/bicep-build.ts --fetch` gets one.
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { compileBicep, findBicep } from '../../scripts/bicep-build.ts';
import { AZURE } from './bicep-files.ts';

interface Resource {
  type: string;
  apiVersion: string;
  name: string;
  identity?: { type: string };
  properties?: Record<string, unknown>;
}

interface Template {
  variables: { storageEndpoints: { account: string; groupId: string }[] };
  outputs: Record<string, { type: string; value?: string }>;
  resources: Record<string, Resource & { existing?: boolean }>;
}

const bicep = await findBicep();
const named = (name: string): string => (bicep === null ? `${name} (Bicep compiler absent)` : name);

/** Every resource, also those of the modules. */
function flatten(template: Template): Resource[] {
  return Object.values(template.resources)
    .filter((resource) => resource.existing !== true)
    .flatMap((resource) => {
      if (resource.type !== 'Microsoft.Resources/deployments') return [resource];
      return flatten((resource.properties as unknown as { template: Template }).template);
    });
}

describe.skipIf(bicep === null)('the compiled template', () => {
  let template: Template;
  let diagnostics: string[];
  let resources: Resource[];
  const ofType = (type: string): Resource[] => resources.filter((resource) => resource.type.toLowerCase() === type.toLowerCase());

  beforeAll(async () => {
    const compiled = await compileBicep(bicep ?? '', join(AZURE, 'main.bicep'));
    template = compiled.template as Template;
    diagnostics = compiled.diagnostics;
    resources = flatten(template);
  }, 130_000);

  it(named('compiles without an error, a warning or a linter finding'), () => {
    expect(diagnostics).toEqual([]);
  });

  it(named('closes public access wherever a resource can have it'), () => {
    const closed = ['Microsoft.Storage/storageAccounts', 'Microsoft.Web/sites'];

    expect(closed.flatMap(ofType)).toHaveLength(3);
    for (const resource of closed.flatMap(ofType)) expect(resource.properties?.['publicNetworkAccess']).toBe('Disabled');
    const open = resources.filter(({ properties = {} }) =>
      Object.entries(properties).some(([key, value]) => key.startsWith('publicNetworkAccess') && value !== 'Disabled'),
    );
    expect(open.map(({ type }) => type)).toEqual([]);
  });

  it(named('lets nobody use an account key'), () => {
    for (const { properties } of ofType('Microsoft.Storage/storageAccounts')) {
      expect(properties).toMatchObject({ allowSharedKeyAccess: false, allowBlobPublicAccess: false, minimumTlsVersion: 'TLS1_2' });
    }
    for (const { properties } of ofType('Microsoft.Insights/components')) expect(properties).toMatchObject({ DisableLocalAuth: true });
    expect(JSON.stringify(template)).not.toMatch(/listKeys|AccountKey=|SharedAccessKey/i);
  });

  it(named('gives the topic an identity of its own and delivers by it'), () => {
    const topics = ofType('Microsoft.EventGrid/systemTopics');
    const subscriptions = ofType('Microsoft.EventGrid/systemTopics/eventSubscriptions');
    const bySystem = { identity: { type: 'SystemAssigned' } };

    expect(topics.map(({ identity }) => identity?.type)).toEqual(['SystemAssigned', 'SystemAssigned', 'SystemAssigned']);
    // One in the loop over the layers, one of the store, one for the workspace.
    expect(subscriptions).toHaveLength(3);
    for (const { properties } of subscriptions) {
      expect(properties).toMatchObject({ deliveryWithResourceIdentity: bySystem, deadLetterWithResourceIdentity: bySystem });
      expect(properties).not.toHaveProperty('destination');
    }
  });

  it(named('names role assignments by scope, identity and role, so that a second deployment changes nothing'), () => {
    const names = ofType('Microsoft.Authorization/roleAssignments').map(({ name }) => name);

    expect(names.length).toBeGreaterThan(5);
    expect(names.filter((name) => !/^\[guid\(/.test(name))).toEqual([]);
    expect(JSON.stringify(template)).not.toMatch(/utcNow|newGuid/);
  });

  it(named('has a zone for every kind of private endpoint'), () => {
    const { storageEndpoints } = template.variables;
    const zones = JSON.stringify(template);

    expect(storageEndpoints.map(({ account, groupId }) => `${account}/${groupId}`)).toEqual([
      ...['lake/blob', 'lake/dfs', 'state/blob', 'state/queue', 'state/table'],
    ]);
    for (const { groupId } of storageEndpoints) expect(zones).toContain(`privatelink.${groupId}.`);
    expect(zones).toContain('privatelink.azurewebsites.net');
  });

  it(named('puts no secret into an output'), () => {
    const outputs = Object.entries(template.outputs);

    expect(outputs.length).toBeGreaterThan(3);
    expect(outputs.filter(([name, { type }]) => type !== 'string' || /key|secret|connection|password/i.test(name))).toEqual([]);
  });
});
