// What every implementation of the port ServingPlatform must do; run against memory and against SageMaker over its stand-in.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EndpointState, ServingRequest } from '../../shared/contracts/serving.ts';
import type { ServingPlatform } from '../../shared/ports/serving-platform.ts';

export interface ServingHarness {
  platform: ServingPlatform;
  region: string;
  /** A request whose model answers every row with `label`, published where the platform loads it from. */
  healthy(label: string, change?: Partial<ServingRequest['target']>): Promise<ServingRequest>;
  /** A request whose model never gets healthy. */
  broken(label: string): Promise<ServingRequest>;
  /** Lets time pass, or waits, so that changes get further. */
  tick(): Promise<void>;
  close(): Promise<void>;
}

export const ENDPOINT = 'ble-location-dev';

export function servingPlatformSuite(make: () => Promise<ServingHarness>): void {
  let harness: ServingHarness;
  let platform: ServingPlatform;
  let place: { region: string; endpoint: string };
  beforeEach(async () => {
    harness = await make();
    platform = harness.platform;
    place = { region: harness.region, endpoint: ENDPOINT };
  });
  afterEach(() => harness.close());

  async function until(reached: (state: EndpointState) => boolean): Promise<EndpointState> {
    for (let turn = 0; turn < 400; turn += 1) {
      const state = await platform.read(place);
      if (reached(state)) return state;
      await harness.tick();
    }
    throw new Error(`the endpoint did not get there: ${JSON.stringify(await platform.read(place))}`);
  }
  const rest = () => until(({ status, pendingConfig }) => status !== 'changing' && pendingConfig === null);
  /** Repeats while the platform says "not now", as the engine does. */
  async function patiently<Result>(work: () => Promise<Result>): Promise<Result> {
    for (let turn = 0; turn < 400; turn += 1) {
      const answer = await work().catch((error: unknown) => error as { name?: string });
      if ((answer as { name?: string }).name !== 'TransientError') {
        if (answer instanceof Error) throw answer;
        return answer as Result;
      }
      await harness.tick();
    }
    throw new Error('never a good moment');
  }
  async function serve(request: ServingRequest): Promise<string> {
    const { configName } = await platform.stage(request);
    await patiently(() => platform.apply(place, configName, {}));
    await expect(rest()).resolves.toMatchObject({ status: 'in-service', configName });
    return configName;
  }
  const inService = (configName: string): Partial<EndpointState> => ({ status: 'in-service', configName, pendingConfig: null });

  describe('staging', () => {
    it('names model and configuration by their content: the same request is the same names, whatever its tags', async () => {
      const request = await harness.healthy('one');
      const first = await platform.stage(request);
      const second = await platform.stage({ ...request, tags: { run: 'another' } });

      expect(second).toEqual(first);
      for (const name of Object.values(first)) expect(name).toMatch(/^ble-location-dev-[0-9a-f]{16}$/);
    });

    it('another model is another model and configuration; another instance type only another configuration', async () => {
      const one = await platform.stage(await harness.healthy('one'));
      const two = await platform.stage(await harness.healthy('two'));
      const bigger = await platform.stage(await harness.healthy('one', { instanceType: 'ml.c5.xlarge' }));

      expect(two.modelName).not.toBe(one.modelName);
      expect(two.configName).not.toBe(one.configName);
      expect(bigger.modelName).toBe(one.modelName);
      expect(bigger.configName).not.toBe(one.configName);
    });

    it('keeps the hash whole when the endpoint has a long name', async () => {
      const endpoint = `${'very-long-name-'.repeat(4)}abc`;
      const one = await platform.stage(await harness.healthy('one', { endpoint }));
      const two = await platform.stage(await harness.healthy('two', { endpoint }));

      expect(one.configName.length).toBeLessThanOrEqual(63);
      expect(one.configName).not.toBe(two.configName);
    });

    it('touches no endpoint', async () => {
      await platform.stage(await harness.healthy('one'));

      await expect(platform.read(place)).resolves.toEqual({ status: 'absent', configName: null, pendingConfig: null, reason: null });
    });
  });

  describe('applying', () => {
    it('creates the endpoint, and changes nothing when asked again on the way or after it', async () => {
      const { configName } = await platform.stage(await harness.healthy('one'));

      await expect(platform.apply(place, configName, { owner: 'suite' })).resolves.toBe('created');
      await expect(platform.read(place)).resolves.toMatchObject({ status: 'changing' });
      await expect(platform.apply(place, configName, { owner: 'suite' })).resolves.toBe('unchanged');
      await expect(rest()).resolves.toEqual({ status: 'in-service', configName, pendingConfig: null, reason: null });
      await expect(platform.apply(place, configName, { owner: 'suite' })).resolves.toBe('unchanged');
    });

    it('updates while the old model serves, and says which configuration is on its way', async () => {
      const old = await serve(await harness.healthy('one'));
      const { configName } = await platform.stage(await harness.healthy('two'));

      await expect(platform.apply(place, configName, {})).resolves.toBe('updated');
      await expect(platform.read(place)).resolves.toMatchObject({ status: 'changing', configName: old, pendingConfig: configName });
      await expect(platform.invoke(place, [[1]])).resolves.toMatchObject([{ label: 'one' }]);
      await expect(platform.apply(place, configName, {})).resolves.toBe('unchanged');
      await expect(rest()).resolves.toMatchObject(inService(configName));
      await expect(platform.invoke(place, [[1]])).resolves.toMatchObject([{ label: 'two' }]);
    });

    it('is busy, and only busy, while another change is under way', async () => {
      const old = await serve(await harness.healthy('one'));
      const two = await platform.stage(await harness.healthy('two'));
      const three = await platform.stage(await harness.healthy('three'));
      await platform.apply(place, two.configName, {});

      for (const other of [three.configName, old]) {
        await expect(platform.apply(place, other, {})).rejects.toMatchObject({ name: 'TransientError', code: 'endpoint-busy' });
      }
      await expect(patiently(() => platform.apply(place, three.configName, {}))).resolves.toBe('updated');
      await expect(rest()).resolves.toMatchObject(inService(three.configName));
    });

    it('two at once make one endpoint', async () => {
      const { configName } = await platform.stage(await harness.healthy('one'));
      const answers = await Promise.all([platform.apply(place, configName, {}), platform.apply(place, configName, {})]);

      expect(answers).toContain('created');
      await expect(rest()).resolves.toMatchObject(inService(configName));
    });

    it('a configuration that is not there yet is asked for again later', async () => {
      await expect(platform.apply(place, 'ble-location-dev-0000000000000000', {})).rejects.toMatchObject({
        name: 'TransientError',
        code: 'not-visible-yet',
      });
    });
  });

  describe('a model that never gets healthy', () => {
    it('leaves a failed endpoint when it was the first, which the next promotion replaces', async () => {
      const { configName } = await platform.stage(await harness.broken('bad'));
      await platform.apply(place, configName, {});

      await expect(rest()).resolves.toMatchObject({ status: 'failed', configName, reason: expect.stringMatching(/./) as string });
      const good = await platform.stage(await harness.healthy('good'));
      await expect(platform.apply(place, good.configName, {})).rejects.toMatchObject({ name: 'TransientError', code: 'endpoint-busy' });
      await expect(patiently(() => platform.apply(place, good.configName, {}))).resolves.toBe('created');
      await expect(rest()).resolves.toMatchObject(inService(good.configName));
    });

    it('leaves the old model in service when there was one: in service is not success', async () => {
      const old = await serve(await harness.healthy('one'));
      const { configName } = await platform.stage(await harness.broken('bad'));
      await platform.apply(place, configName, {});

      await expect(rest()).resolves.toMatchObject({ ...inService(old), reason: expect.stringMatching(/./) as string });
      await expect(platform.invoke(place, [[1]])).resolves.toMatchObject([{ label: 'one' }]);
    });
  });

  describe('restoring', () => {
    it('goes back to the configuration before, once', async () => {
      const old = await serve(await harness.healthy('one'));
      await serve(await harness.healthy('two'));

      await expect(platform.restore(place, old)).resolves.toBe('restored');
      await expect(rest()).resolves.toMatchObject(inService(old));
      await expect(platform.restore(place, old)).resolves.toBe('unchanged');
      await expect(platform.invoke(place, [[1]])).resolves.toMatchObject([{ label: 'one' }]);
    });

    it('deletes an endpoint that was not there before, healthy or failed, once', async () => {
      for (const request of [await harness.healthy('one'), await harness.broken('bad')]) {
        const { configName } = await platform.stage(request);
        await platform.apply(place, configName, {});
        await rest();

        await expect(platform.restore(place, null)).resolves.toBe('deleted');
        await expect(until(({ status }) => status === 'absent')).resolves.toBeDefined();
        await expect(platform.restore(place, null)).resolves.toBe('unchanged');
      }
    });

    it('waits for a creation that is under way before it deletes it', async () => {
      const { configName } = await platform.stage(await harness.healthy('one'));
      await platform.apply(place, configName, {});

      await expect(platform.restore(place, null)).rejects.toMatchObject({ name: 'TransientError', code: 'endpoint-busy' });
      await expect(patiently(() => platform.restore(place, null))).resolves.toBe('deleted');
    });

    it('says so when there is no way back', async () => {
      await serve(await harness.healthy('one'));

      await expect(platform.restore(place, 'ble-location-dev-0000000000000000')).rejects.toMatchObject({
        name: 'RejectedError',
        code: 'config-gone',
        message: expect.stringContaining('ble-location-dev-0000000000000000') as string,
      });
    });
  });

  describe('invoking', () => {
    it('gives one prediction per row, in order', async () => {
      await serve(await harness.healthy('one'));

      await expect(
        platform.invoke(place, [
          [1, 2],
          [3, 4],
          [-200, 0.5],
        ]),
      ).resolves.toEqual([
        { label: 'one', probability: 0.5 },
        { label: 'one', probability: 0.5 },
        { label: 'one', probability: 0.5 },
      ]);
    });

    it('is refused when there is no endpoint', async () => {
      await expect(platform.invoke(place, [[1]])).rejects.toMatchObject({ name: 'RejectedError', code: 'endpoint-absent' });
    });
  });

  it('says as whom it acts', async () => {
    await expect(platform.probe(harness.region)).resolves.toEqual({ identity: expect.stringMatching(/./) as string });
  });
}
