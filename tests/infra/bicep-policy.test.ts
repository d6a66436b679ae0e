// What must hold in every Bicep file of infra/azure: nothing from a registry, no key, no public door, no role outside the table.
// Reads the source; bicep-compile.test.ts asks the same of the compiled template where the compiler is there.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AZURE, bicepFile, bicepFiles, resourcesOf } from './bicep-files.ts';

const files = bicepFiles();
const where = (test: (code: string) => boolean): string[] => files.filter(({ code }) => test(code)).map(({ name }) => name);

describe('Bicep sources', () => {
  it('take modules and types from this folder only', () => {
    const references = files.flatMap(({ name, code }) =>
      [...code.matchAll(/^(?:module \w+|import \{[^}]*\} from|import \* as \w+ from) '([^']+)'/gm)].map(([, target = '']) => ({
        name,
        target,
      })),
    );

    expect(references.length).toBeGreaterThan(10);
    expect(references.filter(({ target }) => target.includes(':'))).toEqual([]);
    expect(references.filter(({ name, target }) => !existsSync(join(AZURE, dirname(name), target)))).toEqual([]);
    expect(where((code) => /^\s*extension /m.test(code))).toEqual([]);
  });

  it('use every file', () => {
    const used = new Set(
      files.flatMap(({ name, code }) => [...code.matchAll(/'([^']+\.bicep)'/g)].map(([, target = '']) => join(dirname(name), target))),
    );

    expect(files.map(({ name }) => name).filter((name) => name !== 'main.bicep' && !used.has(name))).toEqual([]);
  });

  it('hold no key, no secret and no way to one', () => {
    expect(where((code) => /\blist\w*\s*\(/.test(code))).toEqual([]);
    expect(
      where((code) => /AccountKey|SharedAccessKey|SharedAccessSignature|DefaultEndpointsProtocol|InstrumentationKey/i.test(code)),
    ).toEqual([]);
    expect(where((code) => /@secure\(\)|getSecret/.test(code))).toEqual([]);
  });

  it('keep every storage account private, by identity, over TLS 1.2', () => {
    const accounts = resourcesOf('Microsoft.Storage/storageAccounts', files);

    expect(accounts.map(({ file }) => file)).toEqual(['modules/data/lake.bicep', 'modules/data/state.bicep']);
    for (const { body } of accounts) {
      expect(body).toContain("publicNetworkAccess: 'Disabled'");
      expect(body).toContain('allowSharedKeyAccess: false');
      expect(body).toContain('allowBlobPublicAccess: false');
      expect(body).toContain("minimumTlsVersion: 'TLS1_2'");
      expect(body).toContain('supportsHttpsTrafficOnly: true');
      expect(body).toContain("defaultAction: 'Deny'");
      expect(body).toContain("bypass: 'AzureServices'");
    }
  });

  it('keep the app private', () => {
    const [app, ...more] = resourcesOf('Microsoft.Web/sites', files);

    expect(more).toEqual([]);
    expect(app?.body).toContain("publicNetworkAccess: 'Disabled'");
    expect(app?.body).toContain('httpsOnly: true');
    expect(app?.body).toContain("minTlsVersion: '1.2'");
    expect(app?.body).toContain("type: 'UserAssignedIdentity'");
    expect(app?.body).toContain("runtime: { name: 'node', version: '22' }");
  });

  it('open public access nowhere and make no public address', () => {
    expect(
      where((code) => /publicNetworkAccess\w*: 'Enabled'|publicIPAddresses|natGateways|defaultOutboundAccess: true/.test(code)),
    ).toEqual([]);
  });

  it('deliver events by the system-assigned identity of the topic, with a dead letter and rights made first', () => {
    const topics = resourcesOf('Microsoft.EventGrid/systemTopics', files);
    const subscriptions = resourcesOf('Microsoft.EventGrid/systemTopics/eventSubscriptions', files);

    expect(topics.map(({ file }) => file)).toEqual([
      ...['modules/events/landing.bicep', 'modules/events/report-events.bicep', 'modules/events/workspace-events.bicep'],
    ]);
    for (const { body } of topics) expect(body).toContain("identity: { type: 'SystemAssigned' }");
    expect(subscriptions.map(({ file }) => file)).toEqual(['modules/events/queue-subscription.bicep']);
    expect(subscriptions[0]?.body).toContain('deliveryWithResourceIdentity');
    expect(subscriptions[0]?.body).toContain('deadLetterWithResourceIdentity');
    expect(subscriptions[0]?.body).not.toContain('UserAssigned');
    for (const { file } of topics) {
      const [, delivery, made] = bicepFile(file).code.split(/^module /m);
      expect(delivery).toMatch(/^delivery '\.\.\/access\/event-delivery\.bicep'[^]*principalId: topic\.identity\.principalId/);
      expect(made).toMatch(/^subscriptions? 'queue-subscription\.bicep'[^]*dependsOn: \[delivery\]/);
    }
  });

  it('hand out the roles of the table and no others, and none that administers', () => {
    const guid = /'[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'/g;
    const table = bicepFile('modules/access/roles.bicep').code;
    // Owner, Contributor, User Access Administrator, Role Based Access Control Administrator (facts/infra.md §2.7).
    const administering = ['8e3af657', 'b24988ac', '18d7d88d', 'f58310d9'];

    expect(where((code) => guid.test(code))).toEqual(['modules/access/roles.bicep']);
    expect([...table.matchAll(guid)].filter(([id]) => administering.some((start) => id.startsWith(`'${start}`)))).toEqual([]);
    const assignments = resourcesOf('Microsoft.Authorization/roleAssignments', files);
    expect(assignments).toHaveLength(10);
    for (const { body } of assignments) {
      expect(body).toMatch(/scope: /);
      expect(body).toMatch(/name: guid\([^)]*\)/);
      expect(body).toContain("principalType: 'ServicePrincipal'");
      expect(body).toMatch(
        /roleDefinitionId: (subscriptionResourceId\(\s*'Microsoft\.Authorization\/roleDefinitions',\s*role(s\.\w+)?\s*\)|runner\.id)/,
      );
    }
  });

  it('let Sluice do in a Data Factory what its calls need, and write nothing there', () => {
    const [role, ...more] = resourcesOf('Microsoft.Authorization/roleDefinitions', files);
    const { code } = bicepFile('modules/access/data-factory-runner.bicep');
    const factory = 'Microsoft.DataFactory/factories';
    /** What each call asks for (facts/datafactory.md §1, §7); a call that is not here has to be looked up and added. */
    const asked: Record<string, string[]> = {
      'GET ': [`${factory}/read`],
      'POST /pipelines/*/createRun': [`${factory}/pipelines/createrun/action`],
      'POST /queryPipelineRuns': [`${factory}/querypipelineruns/action`, `${factory}/querypipelineruns/read`],
      'GET /pipelineruns/*': [`${factory}/pipelineruns/read`],
      'POST /pipelineruns/*/cancel': [`${factory}/pipelineruns/cancel/action`],
      'POST /pipelineruns/*/queryActivityruns': ['action', 'read'].map((verb) => `${factory}/pipelineruns/queryactivityruns/${verb}`),
    };
    const adapter = readFileSync(join(AZURE, '../../shared/adapters/datafactory/data-factory.ts'), 'utf8');
    const literals = [...adapter.matchAll(/[`'](?:\$\{base\})?(\/[a-zA-Z]+(?:\/|\b)[^`']*)[`']/g)].map(([, path = '']) => path);
    const paths = literals.map((path) => path.replaceAll(/\$\{[^}]*\}/g, '*')).filter((path) => !path.startsWith('/subscriptions'));

    expect(more).toEqual([]);
    expect([...new Set(paths)].sort()).toEqual(
      Object.keys(asked)
        .map((call) => call.slice(call.indexOf(' ') + 1))
        .filter((path) => path !== '')
        .sort(),
    );
    const given = [...(role?.body ?? '').matchAll(/'(Microsoft\.DataFactory\/[^']+)'/g)].map(([, action = '']) => action);
    // A definition may be read by whoever may run it.
    expect(given.sort()).toEqual([...Object.values(asked).flat(), `${factory}/pipelines/read`].sort());
    expect(role?.body).toMatch(/assignableScopes: \[resourceGroup\(\)\.id\]/);
    expect(role?.body).toMatch(/notActions: \[\][^]*dataActions: \[\]/);
    expect(code).toContain('roleDefinitionId: runner.id');
  });

  it('begin with two lines that say what the file is for', () => {
    const without = files.filter(({ name }) => !/^\/\/ .+\n\/\/ .+\n/.test(readFileSync(join(AZURE, name), 'utf8')));

    expect(without.map(({ name }) => name)).toEqual([]);
  });
});
