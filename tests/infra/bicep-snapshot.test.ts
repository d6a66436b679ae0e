// What would be deployed, as far as the Bicep compiler can say without a subscription: loops, conditions and optional groups resolved.
// The compiler alone takes a loop whose length is only known during a deployment; Azure refuses it, and so does this.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { findBicep } from '../../scripts/bicep-build.ts';
import { appSettings, AZURE } from './bicep-files.ts';

interface Predicted {
  type: string;
  name: string;
  id: string;
  properties?: unknown;
}

const bicep = await findBicep();
const named = (name: string): string => (bicep === null ? `${name} (Bicep compiler absent)` : name);
const SUBSCRIPTION = '00000000-0000-4000-8000-000000000001';
const ELSEWHERE = '00000000-0000-4000-8000-000000000002';
const LEAST = `
param environmentName = 'dev'
param location = 'westeurope'
param apiAudience = 'api://sluice'
param hub = {
  virtualNetworkId: '/subscriptions/${SUBSCRIPTION}/resourceGroups/hub/providers/Microsoft.Network/virtualNetworks/hub'
  firewallPrivateIp: '10.0.0.4'
  dnsServers: []
}
`;
const MOST = `${LEAST}
param kubeflow = {
  url: 'https://kubeflow.example/pipeline'
  namespace: 'sluice'
  tokenAudience: 'kf'
  caFile: 'ca.pem'
  serviceAccount: 'sluice/sluice-control'
  pullSecrets: 'one,two'
  pipelineRoot: 's3://runs'
  siteClaim: 'site'
  runtimeClassLabel: 'sluice/runtime-class'
  enclaveResource: 'sgx.intel.com/epc=512Mi'
  awsRoleArn: 'arn:aws:iam::123456789012:role/sluice-train'
  awsRegion: 'eu-central-1'
  awsAudience: 'sts.amazonaws.com'
}
param kubernetes = { url: 'https://cluster.example', tokenAudience: 'aks', caFile: 'cluster.pem' }
param databricks = { url: 'https://adb.example', clusterId: 'c-1', storeVolume: '/Volumes/a/b/c', wheels: '/Volumes/a/b/w', audience: 'dbx' }
param azureMl = {
  subscriptionId: '${ELSEWHERE}'
  resourceGroup: 'ml'
  workspace: 'studio'
  datastore: 'sluice'
  compute: 'cpu'
  jobClientId: '${ELSEWHERE}'
  apiVersion: '2025-12-01'
  registry: 'models'
}
param dataFactory = { subscriptionId: '${ELSEWHERE}', resourceGroup: 'data', factory: 'extract' }
param handOver = { aboveMb: 2000, to: 'data-factory', pipeline: 'refine-large', image: 'registry.example/refine@sha256:${'a'.repeat(64)}', deadline: '12h' }
param aws = { region: 'eu-central-1', roleArn: 'arn:aws:iam::123456789012:role/sluice-promoter', audience: 'api://aws' }
param lineage = { url: 'https://lineage.example', audience: 'lineage' }
param residency = 'kubeflow=plant-3'
param topicEndpoint = 'https://topic.example/api/events'
param storeUsers = ['${SUBSCRIPTION}', '${ELSEWHERE}']
param lakeUsers = ['${ELSEWHERE}']
`;

/** Rejects when something cannot be said before a deployment, as Azure would. */
async function snapshot(parameters: string): Promise<Predicted[]> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-snapshot-'));
  try {
    await writeFile(join(folder, 'main.bicepparam'), `using '${relative(folder, join(AZURE, 'main.bicep'))}'\n${parameters}`);
    const { stdout, stderr } = await promisify(execFile)(
      bicep ?? '',
      ['snapshot', join(folder, 'main.bicepparam'), '--mode', 'overwrite', '--subscription-id', SUBSCRIPTION, '--location', 'westeurope'],
      { timeout: 60_000, env: { ...process.env, DOTNET_SYSTEM_GLOBALIZATION_INVARIANT: '1' } },
    );
    if (`${stdout}${stderr}`.trim() !== '') throw new Error(`Bicep says: ${stdout}${stderr}`);
    const text = await readFile(join(folder, 'main.snapshot.json'), 'utf8');
    return (JSON.parse(text) as { predictedResources: Predicted[] }).predictedResources;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe.skipIf(bicep === null)('what would be deployed', () => {
  const ofType = (resources: Predicted[], type: string) => resources.filter((one) => one.type.toLowerCase() === type.toLowerCase());
  const settings = (resources: Predicted[]) => JSON.stringify(resources.find(({ name }) => name.endsWith('/appsettings'))?.properties);
  const optional = Object.entries(appSettings()).flatMap(([block, names]) => (/^(host|core|telemetry)/.test(block) ? [] : names));

  it(
    named('is one lake with three subscriptions, one of the store, and no optional setting where nothing is asked for'),
    async () => {
      const least = await snapshot(LEAST);

      expect(ofType(least, 'Microsoft.EventGrid/systemTopics')).toHaveLength(2);
      expect(
        ofType(least, 'Microsoft.EventGrid/systemTopics/eventSubscriptions')
          .map(({ name }) => name.split('/')[1])
          .sort(),
      ).toEqual(['sluice-bronze', 'sluice-gold', 'sluice-reports', 'sluice-silver']);
      expect(ofType(least, 'Microsoft.Authorization/roleDefinitions')).toEqual([]);
      expect(ofType(least, 'Microsoft.Authorization/roleAssignments')).toHaveLength(9);
      expect(optional.filter((name) => settings(least).includes(`'${name}'`))).toEqual([]);
    },
    70_000,
  );

  it(
    named('has every setting and right of the places that are named, beside those places'),
    async () => {
      const most = await snapshot(MOST);
      const below = (group: string) => most.filter(({ id }) => id.includes(`${ELSEWHERE}`) && id.includes(group)).map(({ type }) => type);

      expect(optional.length).toBeGreaterThan(30);
      expect(optional.filter((name) => !settings(most).includes(`'${name}'`))).toEqual([]);
      expect(ofType(most, 'Microsoft.EventGrid/systemTopics/eventSubscriptions')).toHaveLength(5);
      expect(below('/resourceGroups/ml/')).toEqual(
        expect.arrayContaining(['Microsoft.EventGrid/systemTopics', 'Microsoft.EventGrid/systemTopics/eventSubscriptions']),
      );
      expect(below('/resourceGroups/data/')).toEqual([
        'Microsoft.Authorization/roleDefinitions',
        'Microsoft.Authorization/roleAssignments',
      ]);
      // Two of the workspace, two of its topic, one of the factory, two of the store's users, one of the lake's.
      expect(ofType(most, 'Microsoft.Authorization/roleAssignments')).toHaveLength(9 + 2 + 2 + 1 + 2 + 1);
    },
    70_000,
  );
});
