// What every implementation of the ports for models, promotions, serving, pipelines and audit must do; run against memory and tables.
import { describe, expect, it } from 'vitest';
import type { Stores } from '../../shared/ports/stores.ts';
import { digest, minute, modelOf, promotionOf, servingOf, versionOf } from './samples.ts';

/** `make` gives empty stores. */
export function recordsSuite(make: () => Promise<Stores>): void {
  describe('models', () => {
    it('keeps the first registration of a digest', async () => {
      const { models } = await make();
      const model = modelOf('one');
      await models.register(model);
      await models.register({ ...model, metrics: { top1: 0.9 }, createdAt: minute(5) });

      expect(await models.get(model.pipeline, model.modelDigest)).toEqual(model);
      expect(await models.list(undefined, 10)).toEqual([model]);
      expect(await models.get('other', model.modelDigest)).toBeNull();
    });

    it('finds by the beginning of a digest in any pipeline', async () => {
      const { models } = await make();
      const same = digest('same');
      const near = `${same.slice(0, 12)}${digest('near').slice(12)}`;
      const all = [
        modelOf('a', { modelDigest: same }),
        modelOf('b', { modelDigest: same, pipeline: 'other' }),
        modelOf('c', { modelDigest: near }),
      ];
      for (const model of [...all, modelOf('far')]) await models.register(model);
      const found = async (prefix: string) => (await models.find(prefix)).map((model) => `${model.pipeline} ${model.modelDigest}`).sort();

      expect(await found(same.slice(0, 8))).toEqual(all.map((model) => `${model.pipeline} ${model.modelDigest}`).sort());
      expect(await found(same)).toEqual([`ble-location ${same}`, `other ${same}`]);
      expect(await found(digest('none'))).toEqual([]);
    });

    it('refuses a beginning that is too short or no digest', async () => {
      const { models } = await make();

      for (const prefix of ['', 'abcdef0', 'ABCDEF01', "abcdef0'", '0'.repeat(65)]) {
        await expect(models.find(prefix)).rejects.toMatchObject({ code: 'digest-prefix' });
      }
    });

    it('lists newest first, of one pipeline or all', async () => {
      const { models } = await make();
      const all = [0, 1, 2, 3].map((n) => modelOf(`m${n}`, { createdAt: minute(n * 999), pipeline: n === 2 ? 'other' : 'ble-location' }));
      for (const model of all) await models.register(model);

      expect(await models.list(undefined, 3)).toEqual(all.toReversed().slice(0, 3));
      expect(await models.list('other', 3)).toEqual([all[2]]);
    });
  });

  describe('promotions', () => {
    it('records once and finds by id', async () => {
      const { promotions } = await make();
      const promotion = promotionOf('p');

      const answers = await Promise.all(Array.from({ length: 5 }, () => promotions.record(promotion)));

      expect(answers.toSorted()).toEqual(['known', 'known', 'known', 'known', 'recorded']);
      expect(await promotions.record({ ...promotion, reason: 'other' })).toBe('known');
      expect(await promotions.find(promotion.promotionId)).toEqual(promotion);
      expect(await promotions.find(promotionOf('none').promotionId)).toBeNull();
    });

    it('lists newest first, by environment and by model', async () => {
      const { promotions } = await make();
      const all = [0, 1, 2, 3].map((n) =>
        promotionOf(`p${n}`, { requestedAt: minute(n), environment: n % 2 ? 'prod' : 'dev', modelDigest: digest(n < 2 ? 'old' : 'new') }),
      );
      for (const promotion of all) await promotions.record(promotion);

      expect(await promotions.list({}, 10)).toEqual(all.toReversed());
      expect(await promotions.list({ environment: 'prod' }, 10)).toEqual([all[3], all[1]]);
      expect(await promotions.list({ environment: 'prod', modelDigest: digest('old') }, 10)).toEqual([all[1]]);
      expect(await promotions.list({}, 1)).toEqual([all[3]]);
    });
  });

  describe('serving', () => {
    it('says what served at an instant', async () => {
      const { serving } = await make();
      const entries = [0, 10, 20].map((n) => servingOf(`m${n}`, { since: minute(n) }));
      for (const entry of [entries[1], entries[2], entries[0]]) if (entry) await serving.record(entry);
      const { endpoint } = servingOf('x');

      expect(await serving.at(endpoint)).toEqual(entries[2]);
      expect(await serving.at(endpoint, minute(20))).toEqual(entries[2]);
      expect(await serving.at(endpoint, minute(19))).toEqual(entries[1]);
      expect(await serving.at(endpoint, minute(0))).toEqual(entries[0]);
      expect(await serving.at(endpoint, minute(-1))).toBeNull();
      expect(await serving.history(endpoint, 2)).toEqual([entries[2], entries[1]]);
    });

    it('keeps one entry of a repeated record', async () => {
      const { serving } = await make();
      const entry = servingOf('m');
      await serving.record(entry);
      await serving.record(entry);

      expect(await serving.history(entry.endpoint, 10)).toEqual([entry]);
    });

    it('gives the newest entry of every endpoint', async () => {
      const { serving } = await make();
      const other = 'sagemaker/us-east-1/another';
      for (const n of [0, 1]) await serving.record(servingOf(`a${n}`, { since: minute(n) }));
      await serving.record(servingOf('b', { endpoint: other }));

      const current = await serving.current();

      expect(current.map((entry) => entry.modelDigest).sort()).toEqual([digest('a1'), digest('b')].sort());
    });

    it('knows nothing of an endpoint that never served, whatever its name', async () => {
      const { serving } = await make();

      for (const endpoint of ['sagemaker/eu-central-1/none', '', 'a/b', "a'/b/c", 'a/b/c/d']) expect(await serving.at(endpoint)).toBeNull();
      await expect(serving.record(servingOf('m', { endpoint: 'a/b' }))).rejects.toMatchObject({ code: 'endpoint-name' });
    });
  });

  describe('pipelines', () => {
    it('keeps versions by digest and points at the newest', async () => {
      const { pipelines } = await make();
      const [one, two] = [versionOf('ble-location', 'one'), versionOf('ble-location', 'two')];

      expect(await pipelines.current('ble-location')).toBeNull();
      expect(await pipelines.put(one.version, one.bundle, 'ada', minute(0))).toBe('created');
      expect(await pipelines.put(one.version, one.bundle, 'bob', minute(1))).toBe('unchanged');
      expect(await pipelines.put(two.version, two.bundle, 'bob', minute(2))).toBe('updated');

      expect(await pipelines.current('ble-location')).toEqual(two.version);
      expect(await pipelines.version('ble-location', one.version.digest)).toEqual(one.version);
      expect(await pipelines.put(one.version, one.bundle, 'ada', minute(3))).toBe('updated');
      expect(await pipelines.list()).toEqual([
        { name: 'ble-location', digest: one.version.digest, updatedAt: minute(3), updatedBy: 'ada' },
      ]);
    });

    it('lets one of many concurrent first registrations create', async () => {
      const { pipelines } = await make();
      const { version, bundle } = versionOf('ble-location', 'one');

      const answers = await Promise.all(Array.from({ length: 8 }, () => pipelines.put(version, bundle, 'ada', minute(0))));

      expect(answers.filter((answer) => answer === 'created')).toHaveLength(1);
      expect(answers.filter((answer) => answer === 'unchanged')).toHaveLength(7);
    });

    it('lists by name and knows no other', async () => {
      const { pipelines } = await make();
      for (const name of ['b-two', 'a-one']) {
        const { version, bundle } = versionOf(name, 'x');
        await pipelines.put(version, bundle, 'ada', minute(0));
      }

      expect((await pipelines.list()).map(({ name }) => name)).toEqual(['a-one', 'b-two']);
      for (const name of ['none', '../a-one', '', 'a/b']) expect(await pipelines.current(name)).toBeNull();
      expect(await pipelines.version('a-one', '../../x')).toBeNull();
      expect(await pipelines.version('a-one', digest('none'))).toBeNull();
    });
  });

  describe('audit', () => {
    it('keeps every entry of a day in order, concurrent ones too', async () => {
      const { audit } = await make();
      const entryOf = (n: number) => ({ at: minute(0), actor: 'ada', action: 'pipeline.put', subject: `p${n}`, detail: '' });
      for (const n of [0, 1, 2]) await audit.record(entryOf(n));
      await Promise.all([3, 4, 5, 6, 7, 8].map((n) => audit.record(entryOf(n))));
      await audit.record({ ...entryOf(9), at: minute(60 * 24) });

      const day = await audit.list(minute(0).slice(0, 10), 100);

      expect(day.map((entry) => entry.subject).toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8].map((n) => `p${n}`));
      expect(day.slice(-3).map((entry) => entry.subject)).toEqual(['p2', 'p1', 'p0']);
      expect(await audit.list(minute(0).slice(0, 10), 2)).toEqual(day.slice(0, 2));
      expect(await audit.list('1999-01-01', 5)).toEqual([]);
    });
  });
}
