// The settings that Azure gives to the app are those that the app reads, and names that must be equal on both sides are.
// Fails when a setting is added to shared/config and nobody decided what infra does about it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cloudConfig, LOCAL } from '../../local/stack/cloud-config.ts';
import { toSignal } from '../../shared/adapters/eventgrid/signals.ts';
import { loadConfig, SETTINGS } from '../../shared/config/config.ts';
import { instanceId, trialJobName } from '../../shared/decisions/identity.ts';
import { jobOfReport } from '../../shared/decisions/report-landed.ts';
import { REPORT, runFolder, trainingExports } from '../../shared/decisions/training-plan.ts';
import { appSettings, bicepFile } from './bicep-files.ts';

const root = join(import.meta.dirname, '../..');

/** Settings of the Functions host and its bindings; Sluice does not read them. */
const HOST = [
  'AzureWebJobsStorage__blobServiceUri',
  'AzureWebJobsStorage__queueServiceUri',
  'AzureWebJobsStorage__tableServiceUri',
  'AzureWebJobsStorage__credential',
  'AzureWebJobsStorage__clientId',
  'LandingEvents__credential',
  'LandingEvents__clientId',
  'APPLICATIONINSIGHTS_CONNECTION_STRING',
  'APPLICATIONINSIGHTS_AUTHENTICATION_STRING',
];
/** For development on one machine, or for a disk that is kept: an instance of Flex Consumption has none. */
const NEVER = ['SLUICE_LOCAL_JOBS', 'SLUICE_LOCAL_COMPONENTS', 'SLUICE_LOCAL_PYTHON', 'SLUICE_LINEAGE_FILE'];
/** Left to the app's own defaults on purpose: the system's temporary folder, and the waits of production. */
const DEFAULTED = ['SLUICE_WORK_DIR', 'SLUICE_POLL_FIRST_SECONDS', 'SLUICE_POLL_MAX_SECONDS'];

const blocks = appSettings();
const always = [...(blocks['hostSettings'] ?? []), ...(blocks['coreSettings'] ?? [])];
const all = Object.values(blocks).flat();
const known = SETTINGS.map((setting) => setting.name);

/** A value of the right form for any setting. */
function sample(name: string): string {
  const values: Record<string, string> = {
    SLUICE_LAKE_ACCOUNT: 'stlake',
    SLUICE_LAKE_CONTAINER: 'lake',
    SLUICE_STORE_CONTAINER: 'sluice',
    SLUICE_MEMORY_LIMIT_MB: '1024',
    SLUICE_CLIENT_ID: LOCAL.identity.clientId,
    SLUICE_AWS_ROLE_ARN: LOCAL.promoterRole,
    AZUREML_SUBSCRIPTION_ID: LOCAL.subscriptionId,
    DATAFACTORY_SUBSCRIPTION_ID: LOCAL.subscriptionId,
    AZUREML_JOB_CLIENT_ID: LOCAL.identity.clientId,
    AZUREML_API_VERSION: '2025-12-01',
    KUBEFLOW_SERVICE_ACCOUNT: 'sluice/sluice-control',
    KUBEFLOW_RUNTIME_CLASS_LABEL: 'sluice/runtime-class',
    KUBEFLOW_ENCLAVE_RESOURCE: 'sgx.intel.com/epc=512Mi',
    KUBEFLOW_AWS_ROLE_ARN: LOCAL.promoterRole,
    SLUICE_STORE_EVENTS: 'true',
    AZUREML_EVENTS: 'true',
    DATABRICKS_STORE_VOLUME: LOCAL.storeVolume,
    DATABRICKS_WHEELS: LOCAL.wheels,
    SLUICE_RESIDENCY: 'kubeflow=plant-3,azureml=eu',
    SLUICE_HANDOVER_MB: '2000',
    SLUICE_HANDOVER_TO: 'databricks',
    SLUICE_HANDOVER_IMAGE: `registry.example/sluice/refine@sha256:${'a'.repeat(64)}`,
    SLUICE_HANDOVER_DEADLINE: '12h',
  };
  return values[name] ?? (/(uri|url|endpoint|issuer)$/i.test(name) ? 'https://host.example/' : 'value');
}

describe('app settings in Bicep', () => {
  it('give every setting that the app cannot do without, and every endpoint that is reached by identity', () => {
    const needed = SETTINGS.filter((setting) => setting.required || setting.name.includes('__')).map((setting) => setting.name);

    expect(needed.filter((name) => !always.includes(name))).toEqual([]);
  });

  it('leave no optional setting undecided', () => {
    const decided = new Set([...all, ...DEFAULTED, ...NEVER]);
    const undecided = SETTINGS.filter((setting) => !setting.secret && !decided.has(setting.name)).map((setting) => setting.name);

    expect(undecided).toEqual([]);
    expect([...DEFAULTED, ...NEVER].filter((name) => all.includes(name) || !known.includes(name))).toEqual([]);
  });

  it('name nothing that neither the app nor the host knows', () => {
    expect(all.filter((name) => !known.includes(name) && !HOST.includes(name))).toEqual([]);
  });

  it('name each setting once, and none that holds a secret', () => {
    const secrets = SETTINGS.filter((setting) => setting.secret).map((setting) => setting.name);

    expect(all.filter((name, index) => all.indexOf(name) !== index)).toEqual([]);
    expect(all.filter((name) => secrets.includes(name))).toEqual([]);
  });

  it('are accepted by the app, without and with the optional groups', () => {
    const environment = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, sample(name)]));

    const least = loadConfig(environment(always));
    const most = loadConfig(environment(all));

    const optional = ({ kubeflow, kubernetes, databricks, azureml, datafactory, handOver, aws, topic, lineage }: typeof least) => [
      ...[kubeflow, kubernetes, databricks, azureml, datafactory, handOver, aws, topic],
      lineage.url,
    ];

    expect(optional(least)).toEqual(optional(least).map(() => null));
    expect(optional(most)).not.toContain(null);
    expect([least.residency, Object.keys(most.residency)]).toEqual([{}, ['kubeflow', 'azureml']]);
    expect([least.local, most.local, most.lineage.file]).toEqual([null, null, null]);
    expect(least.lake.blob).toEqual({ uri: 'https://host.example/' });
  });

  it('leave out what Flex Consumption refuses', () => {
    const refused = /^(FUNCTIONS_WORKER_RUNTIME|FUNCTIONS_EXTENSION_VERSION|WEBSITE_)/;

    expect(all.filter((name) => refused.test(name))).toEqual([]);
  });
});

describe('names on both sides', () => {
  const main = bicepFile('main.bicep').code;
  const landing = bicepFile('modules/events/landing.bicep').code;
  const valueOf = (name: string): string | undefined => new RegExp(`^var ${name} = '([^']*)'`, 'm').exec(main)?.[1];

  it('are the same for queues, dead letters and the store', () => {
    const app = readFileSync(join(root, 'functions/app.ts'), 'utf8');

    expect(/^const QUEUE = '([^']+)'/m.exec(app)?.[1]).toBe(valueOf('landingQueue'));
    expect(app).toContain('queueName: `${QUEUE}-poison`');
    expect(bicepFile('modules/data/state.bicep').code).toContain("[landingQueue, '${landingQueue}-poison']");
    expect(valueOf('landingQueue')).toBe(LOCAL.queue);
    expect(valueOf('deadLetterContainer')).toBe(LOCAL.deadLetter);
    expect(readFileSync(join(root, 'functions/ports.ts'), 'utf8')).toContain(`const DEAD_LETTERS = '${LOCAL.deadLetter}'`);
    expect(valueOf('storeContainer')).toBe(
      loadConfig(Object.fromEntries(always.filter((name) => name !== 'SLUICE_STORE_CONTAINER').map((name) => [name, sample(name)]))).state
        .container,
    );
  });

  it('are the same for the event subscriptions of this machine and of Azure', () => {
    const { subscriptions } = cloudConfig({
      ...{ root, dataDir: root, storage: '', lakePort: 0, components: {}, images: {}, additions: {}, python: 'python3', wheels: root },
      ...{ developerSecret: '', trackingSecret: '', identityHeader: '' },
    });
    const layers = [...landing.matchAll(/\{ name: '(\w+)', subjectEndsWith: '([^']*)' \}/g)].map(([, name = '', subjectEndsWith = '']) => ({
      name: `sluice-${name}`,
      queue: valueOf('landingQueue'),
      schema: 'cloudevents',
      includedEventTypes: [/eventTypes: \['([^']+)'\]/.exec(landing)?.[1]],
      subjectBeginsWith: (/subjectBeginsWith: '([^']*)'/.exec(landing)?.[1] ?? '')
        .replace('${lakeContainer}', LOCAL.lakeContainer)
        .replace('${layer.name}', name),
      ...(subjectEndsWith === '' ? {} : { subjectEndsWith }),
      deadLetterContainer: valueOf('deadLetterContainer'),
    }));

    expect(layers.map(({ name }) => name)).toEqual(['sluice-bronze', 'sluice-silver', 'sluice-gold']);
    expect(layers).toEqual(subscriptions);
    expect(landing).toContain("name: 'sluice-${layer.name}'");
    expect(bicepFile('modules/events/queue-subscription.bicep').code).toContain("eventDeliverySchema: 'CloudEventSchemaV1_0'");
  });

  it('are the same for the reports that the store speaks of', () => {
    const events = bicepFile('modules/events/report-events.bicep').code;
    const valueIn = (name: string): string => new RegExp(`${name}: '([^']*)'`).exec(events)?.[1] ?? '';
    const begins = valueIn('subjectBeginsWith').replace('${storeContainer}', valueOf('storeContainer') ?? '');
    const runId = instanceId('train', 'credit', 'a'.repeat(64), 1);
    const planned = trainingExports(runFolder(runId), { component: 'c', keep: [] } as never).filter(({ file }) => file === REPORT);

    expect(planned.length).toBeGreaterThan(1);
    for (const { storePath } of planned) {
      const subject = `/blobServices/default/containers/${LOCAL.storeContainer}/blobs/${storePath}`;
      expect([subject.startsWith(begins), subject.endsWith(valueIn('subjectEndsWith'))]).toEqual([true, true]);
      expect(jobOfReport(storePath)).toBe(runId);
    }
    expect(main).toContain("module reportEvents 'modules/events/report-events.bicep' = {");
  });

  it('are the same for the jobs that the workspace speaks of', () => {
    const events = bicepFile('modules/events/workspace-events.bicep').code;
    const prefixes = [...(/runIdBeginsWith: \[([^\]]*)\]/.exec(events)?.[1] ?? '').matchAll(/'([^']+)'/g)].map(([, one = '']) => one);
    const sweep = instanceId('sweep', 'credit', 'a'.repeat(64), 1);
    const jobs = [instanceId('train', 'credit', 'a'.repeat(64), 1), sweep, trialJobName(sweep, 3)];

    expect(jobs.filter((job) => !prefixes.some((prefix) => job.startsWith(prefix)))).toEqual([]);
    for (const type of events.match(/Microsoft\.MachineLearningServices\.Run\w+/g) ?? []) {
      const envelope = {
        source: '/w',
        id: '1',
        time: new Date(0),
        subject: `experiments/e/runs/${sweep}`,
        type,
        data: {},
        chain: undefined,
      };
      expect(toSignal(envelope, type.toLowerCase())).toMatchObject({ kind: 'job', subject: sweep });
    }
    expect(events.match(/Microsoft\.MachineLearningServices\.Run\w+/g)).toHaveLength(2);
  });
});

describe('parameters', () => {
  it('of main.parameters.json are parameters of main.bicep, and none without a default is left out', () => {
    const main = bicepFile('main.bicep').code;
    const given = Object.keys(
      (JSON.parse(readFileSync(join(root, 'infra/azure/main.parameters.json'), 'utf8')) as { parameters: object }).parameters,
    );
    const declared = [...main.matchAll(/^param (\w+) ([^\n]+)$/gm)].map(([, name = '', rest = '']) => ({
      name,
      needed: !rest.includes('=') && !rest.endsWith('?'),
    }));

    expect(given.filter((name) => !declared.some((parameter) => parameter.name === name))).toEqual([]);
    expect(
      declared
        .filter((parameter) => parameter.needed)
        .map((parameter) => parameter.name)
        .sort(),
    ).toEqual([...given].sort());
  });
});
