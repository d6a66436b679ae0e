// The life of an endpoint in the local SageMaker, driven by the real AWS SDK: create, update, fall back, delete, restart.
// Traps of facts/sagemaker.md §0 are what is tested here.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  CreateEndpointCommand,
  CreateEndpointConfigCommand,
  DeleteEndpointCommand,
  DeleteEndpointConfigCommand,
  DescribeEndpointCommand,
  UpdateEndpointCommand,
  UpdateEndpointWeightsAndCapacitiesCommand,
} from '@aws-sdk/client-sagemaker';
import { afterEach, describe, expect, it } from 'vitest';
import { arn, IMAGE, startStudio, type Studio } from './studio.ts';

let studio: Studio;
afterEach(async () => {
  await studio.close();
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const create = (name: string, config: string) =>
  studio.client().send(new CreateEndpointCommand({ EndpointName: name, EndpointConfigName: config }));
const update = (name: string, config: string, more: object = {}) =>
  studio.client().send(new UpdateEndpointCommand({ EndpointName: name, EndpointConfigName: config, ...more }));

describe('creating', () => {
  it('starts a real process of the image with the model unpacked, and it answers', async () => {
    process.env['SECRET_OF_THE_PARENT'] = 'x';
    studio = await startStudio();
    await studio.config('v1', {});

    const answer = await create('ble', 'v1');
    const during = await studio.describe('ble');
    const after = await studio.settle('ble');

    delete process.env['SECRET_OF_THE_PARENT'];
    expect(answer.EndpointArn).toBe(arn('endpoint', 'ble'));
    expect(during).toMatchObject({ EndpointStatus: 'Creating', PendingDeploymentSummary: { EndpointConfigName: 'v1' } });
    expect(after).toMatchObject({
      EndpointStatus: 'InService',
      EndpointConfigName: 'v1',
      ProductionVariants: [
        { VariantName: 'main', CurrentWeight: 1, DesiredWeight: 1, CurrentInstanceCount: 1, DeployedImages: [{ SpecifiedImage: IMAGE }] },
      ],
    });
    expect(after.PendingDeploymentSummary).toBeUndefined();
    expect(after.FailureReason).toBeUndefined();
    expect(await studio.invoke('ble', [[1, 2]])).toMatchObject({
      model: 'v1',
      rows: [[1, 2]],
      variant: 'main',
      environment: 'to v1',
      secret: null,
    });
  });

  it.each([
    ['never answers /ping with 200', { ping: 503 }, /did not pass the ping health check.*answered 503/],
    ['ends at once', { exit: 7 }, /did not pass the ping health check.*code 7/],
  ])('fails when the container %s; then only deleting helps', async (_, model, reason) => {
    studio = await startStudio({ startupMs: 600 });
    await studio.config('bad', model);

    const failed = await studio.createEndpoint('ble', 'bad');

    expect(failed.EndpointStatus).toBe('Failed');
    expect(failed.FailureReason).toMatch(reason);
    await expect(update('ble', 'bad')).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringMatching(/^Cannot update/) as string,
    });
    await expect(studio.invoke('ble', [])).rejects.toMatchObject({ name: 'ValidationError' });
    await studio.client().send(new DeleteEndpointCommand({ EndpointName: 'ble' }));
    await studio.cloud.settled();
    await expect(studio.describe('ble')).rejects.toMatchObject({ message: `Could not find endpoint "${arn('endpoint', 'ble')}".` });
  });

  it('is refused when the endpoint exists, whatever the case of its name', async () => {
    studio = await startStudio();
    await studio.config('v1', {});
    await studio.createEndpoint('ble', 'v1');

    const refusal = { name: 'ValidationException', message: `Cannot create already existing endpoint "${arn('endpoint', 'ble')}".` };
    await expect(create('ble', 'v1')).rejects.toMatchObject(refusal);
    await expect(create('BLE', 'v1')).rejects.toMatchObject(refusal);
  });

  it('turns a lost answer into "already existing" on the retry of the SDK', async () => {
    studio = await startStudio();
    await studio.config('v1', {});
    studio.cloud.faults.add({ match: { operation: 'CreateEndpoint' }, action: 'reset-after' });

    const outcome = await create('ble', 'v1').catch((error: unknown) => error);

    expect(outcome).toMatchObject({
      message: expect.stringMatching(/^Cannot create already existing endpoint "/) as string,
      $metadata: { attempts: 2 },
    });
    expect(await studio.settle('ble')).toMatchObject({ EndpointStatus: 'InService' });
  });

  it('does not see a model or config that was made a moment ago, when the service lags, and sees it later', async () => {
    studio = await startStudio({ consistencyLagMs: 60_000 });
    await expect(studio.config('v1', {})).rejects.toMatchObject({ message: `Could not find model "${arn('model', 'v1')}".` });
    studio.account.clock.advance(60_000);
    const variant = { VariantName: 'main', ModelName: 'v1', InitialInstanceCount: 1, InstanceType: 'ml.m5.large' as const };
    await studio.client().send(new CreateEndpointConfigCommand({ EndpointConfigName: 'v1', ProductionVariants: [variant] }));

    await expect(create('ble', 'v1')).rejects.toMatchObject({
      name: 'ValidationException',
      message: `Could not find endpoint configuration "${arn('endpoint-config', 'v1')}".`,
    });
    studio.account.clock.advance(60_000);
    await expect(create('ble', 'v1')).resolves.toBeDefined();
  });

  it('is refused beyond the quota, and an update needs room for both fleets', async () => {
    studio = await startStudio({ instanceQuotas: { 'ml.m5.large': 1 } });
    await studio.config('v1', {});
    await studio.config('v2', {});
    await studio.createEndpoint('ble', 'v1');

    await expect(create('other', 'v1')).rejects.toMatchObject({ name: 'ResourceLimitExceeded' });
    await expect(update('ble', 'v2')).rejects.toMatchObject({
      name: 'ResourceLimitExceeded',
      message: expect.stringContaining('1 Instances') as string,
    });
  });
});

describe('updating', () => {
  it('replaces the process only when the new one is healthy', async () => {
    studio = await startStudio();
    await studio.config('v1', {});
    await studio.config('v2', {});
    await studio.createEndpoint('ble', 'v1');
    const old = await studio.invoke('ble', []);

    await update('ble', 'v2');
    const during = await studio.describe('ble');
    const answers = [];
    while ((await studio.describe('ble')).EndpointStatus === 'Updating') answers.push((await studio.invoke('ble', [])).model);
    const after = await studio.settle('ble');

    expect(during).toMatchObject({
      EndpointStatus: 'Updating',
      EndpointConfigName: 'v1',
      PendingDeploymentSummary: { EndpointConfigName: 'v2' },
    });
    expect(after).toMatchObject({ EndpointStatus: 'InService', EndpointConfigName: 'v2' });
    expect(answers.filter((model) => model !== 'v1' && model !== 'v2')).toEqual([]);
    expect((await studio.invoke('ble', [])).model).toBe('v2');
    expect(alive(old.pid)).toBe(false);
  });

  it.each(['given', 'empty'] as const)(
    'goes back to InService on the old config when the new fleet is not healthy (reason %s)',
    async (rollbackReason) => {
      studio = await startStudio({ startupMs: 10_000, rollbackReason });
      await studio.config('v1', {});
      await studio.config('v2', { exit: 1 });
      await studio.createEndpoint('ble', 'v1');
      const before = await studio.invoke('ble', []);

      const after = await studio.updateEndpoint('ble', 'v2');

      expect(after).toMatchObject({ EndpointStatus: 'InService', EndpointConfigName: 'v1' });
      expect(after.PendingDeploymentSummary).toBeUndefined();
      expect(after.FailureReason === undefined).toBe(rollbackReason === 'empty');
      expect(await studio.invoke('ble', [])).toMatchObject({ model: 'v1', pid: before.pid });
    },
  );

  it('is refused while another change is under way, and so is deleting', async () => {
    studio = await startStudio();
    await studio.config('v1', {});
    await studio.config('v2', {});
    await create('ble', 'v1');
    const busy = { name: 'ValidationException', message: `Cannot update in-progress endpoint "${arn('endpoint', 'ble')}".` };

    await expect(update('ble', 'v2')).rejects.toMatchObject(busy);
    await expect(studio.client().send(new DeleteEndpointCommand({ EndpointName: 'ble' }))).rejects.toMatchObject(busy);
    await studio.settle('ble');
    const results = await Promise.allSettled([update('ble', 'v2'), update('ble', 'v2'), update('ble', 'v2')]);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('is refused once the config in service has been deleted', async () => {
    studio = await startStudio();
    await studio.config('v1', {});
    await studio.config('v2', {});
    await studio.createEndpoint('ble', 'v1');
    await studio.client().send(new DeleteEndpointConfigCommand({ EndpointConfigName: 'v1' }));

    await expect(update('ble', 'v2')).rejects.toMatchObject({
      message: `Could not find endpoint configuration "${arn('endpoint-config', 'v1')}".`,
    });
    expect((await studio.invoke('ble', [])).model).toBe('v1');
  });

  it('resets counts and weights unless they are retained', async () => {
    studio = await startStudio();
    await studio.config('v1', {});
    await studio.config('v2', {});
    await studio.createEndpoint('ble', 'v1');
    const scale = { VariantName: 'main', DesiredInstanceCount: 3, DesiredWeight: 0.5 };
    const command = new UpdateEndpointWeightsAndCapacitiesCommand({ EndpointName: 'ble', DesiredWeightsAndCapacities: [scale] });
    await studio.client().send(command);
    expect((await studio.describe('ble')).EndpointStatus).toBe('Updating');
    expect(await studio.settle('ble')).toMatchObject({ ProductionVariants: [{ CurrentInstanceCount: 3, CurrentWeight: 0.5 }] });

    await update('ble', 'v2', {
      RetainAllVariantProperties: true,
      ExcludeRetainedVariantProperties: [{ VariantPropertyType: 'DesiredWeight' }],
    });
    expect(await studio.settle('ble')).toMatchObject({ ProductionVariants: [{ CurrentInstanceCount: 3, CurrentWeight: 1 }] });
    await update('ble', 'v1');
    expect(await studio.settle('ble')).toMatchObject({ ProductionVariants: [{ CurrentInstanceCount: 1, CurrentWeight: 1 }] });
  });
});

describe('processes', () => {
  it('end with the endpoint, and their folders with them', async () => {
    studio = await startStudio();
    await studio.config('v1', {});
    await studio.createEndpoint('ble', 'v1');
    const { pid } = await studio.invoke('ble', []);

    await studio.client().send(new DeleteEndpointCommand({ EndpointName: 'ble' }));
    expect(
      (
        await studio
          .client()
          .send(new DescribeEndpointCommand({ EndpointName: 'ble' }))
          .catch(() => ({ EndpointStatus: 'gone' }))
      ).EndpointStatus,
    ).toMatch(/Deleting|gone/);
    await studio.cloud.settled();

    expect(alive(pid)).toBe(false);
    expect(existsSync(join(studio.account.folder, 'sagemaker/fleets/ble'))).toBe(false);
  });

  it('are started again when they die', async () => {
    studio = await startStudio();
    await studio.config('v1', {});
    await studio.createEndpoint('ble', 'v1');
    const first = await studio.invoke('ble', []);

    process.kill(first.pid, 'SIGKILL');

    let second = first.pid;
    for (let tries = 0; second === first.pid && tries < 400; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 25));
      second = await studio.invoke('ble', []).then(
        ({ pid }) => pid,
        () => first.pid,
      );
    }
    expect(second).not.toBe(first.pid);
  });

  it('come back after a restart of the stand-in, also without model and config; an update under way goes on', async () => {
    studio = await startStudio();
    await studio.config('v1', {});
    await studio.config('v2', {});
    await studio.createEndpoint('ble', 'v1');
    const { pid } = await studio.invoke('ble', []);
    await update('ble', 'v2');

    await studio.restart();
    const after = await studio.settle('ble');

    expect(alive(pid)).toBe(false);
    expect(after).toMatchObject({ EndpointStatus: 'InService', EndpointConfigName: 'v2' });
    await studio.client().send(new DeleteEndpointConfigCommand({ EndpointConfigName: 'v2' }));
    await studio.restart();
    await studio.cloud.settled();
    expect((await studio.invoke('ble', [])).model).toBe('v2');
    expect(readdirSync(join(studio.account.folder, 'sagemaker/fleets/ble'))).toHaveLength(1);
  });
});
