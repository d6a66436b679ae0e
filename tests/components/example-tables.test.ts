// The tables of the credit-risk and diabetes examples, refined by the product's own engine: the traps of the data are found and counted, and what is
// staged for training are the rows of the file in the order of the file, because the split draws them by number.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parsePipelineFile } from '../../shared/contracts/pipeline-file.ts';
import type { PipelineVersion } from '../../shared/contracts/pipeline.ts';
import { makeRig, sha256 } from '../shared/adapters/lake/rig.ts';

const PYTHON = process.env['SLUICE_PYTHON'] ?? '/usr/bin/python3';
const REAL = '../shared/data';
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-examples-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function example(name: string): PipelineVersion {
  const text = (file: string): string => readFileSync(`examples/${name}/${file}`, 'utf8');
  const parsed = parsePipelineFile(text('sluice.yaml'));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const spec = parsed.pipeline;
  const sql = { silver: text(spec.tables.silver.sql), gold: text(spec.tables.gold.sql) };
  return { name: spec.pipeline, digest: sha256(JSON.stringify([spec, sql])), spec, sql, images: {} };
}

function generated(name: string): Buffer {
  const file = join(folder, `${name}.csv`);
  execFileSync(PYTHON, [`examples/${name}/generate.py`, '--out', file], { timeout: 30_000 });
  return readFileSync(file);
}

/** Refines one file and gives what was found, and the rows that training gets. */
async function refined(name: string, content: Buffer): Promise<{ found: Record<string, number>; quarantined: number; staged: string[] }> {
  const rig = await makeRig();
  const pipeline = example(name);
  const result = await rig.refine(pipeline, `bronze/${name}/data.csv`, content);
  const files = await rig.engine.stage({ pipeline, gold: result.gold });
  const texts = await Promise.all(files.map(async (file) => Buffer.from((await rig.store.read(file.path, 50_000_000))!).toString('utf8')));
  return {
    found: Object.fromEntries(result.findings.map((finding) => [finding.rule, finding.rows])),
    quarantined: result.quarantinedRows,
    staged: texts.flatMap((text) => text.trimEnd().split('\n').slice(1)),
  };
}

/** Values of a CSV line as numbers where they are some: `123.0` and `123` are one value. */
const values = (line: string): unknown[] =>
  line.split(',').map((text) => (text === '' || Number.isNaN(Number(text)) ? text : Number(text)));
const rowsOf = (content: Buffer): unknown[][] => content.toString('utf8').trimEnd().split(/\r?\n/).slice(1).map(values);

describe('credit-risk', () => {
  const file = `${REAL}/credit_risk_dataset.csv`;
  const present = existsSync(file);

  test.skipIf(!present)(
    `counts the traps of the public file, sets nothing aside and keeps its order${present ? '' : ' (skipped: real data absent)'}`,
    async () => {
      const content = readFileSync(file);

      const { found, quarantined, staged } = await refined('credit-risk', content);

      expect(quarantined).toBe(0);
      expect(found).toEqual({
        'age-is-plausible': 5,
        'employment-is-shorter-than-life': 2,
        'employment-is-known': 895,
        'rate-is-known': 3116,
        'row-is-not-repeated': 165,
      });
      expect(staged.map(values)).toEqual(rowsOf(content));
    },
  );

  test('sets aside what cannot be, and finds the traps of generated data', async () => {
    const [header = '', ...lines] = generated('credit-risk').toString('utf8').trimEnd().split('\n');
    const broken = [
      '22,59000,TENT,5.0,PERSONAL,D,35000,16.02,1,0.59,Y,3',
      '22,59000,RENT,5.0,PERSONAL,D,35000,16.02,2,0.59,Y,3',
      '200,59000,RENT,5.0,PERSONAL,D,35000,16.02,1,0.59,Y,3',
    ];

    const { found, quarantined, staged } = await refined('credit-risk', Buffer.from([header, ...broken, ...lines, ''].join('\n')));

    expect(quarantined).toBe(broken.length);
    expect(staged.map(values)).toEqual(lines.map(values));
    expect(found).toMatchObject({ 'categories-are-known': 1, 'status-is-known': 1, 'numbers-can-be': 1 });
    for (const trap of [
      'age-is-plausible',
      'employment-is-shorter-than-life',
      'employment-is-known',
      'rate-is-known',
      'row-is-not-repeated',
    ])
      expect(found[trap], trap).toBeGreaterThan(0);
  });

  test('makes the same file twice and another for another seed', () => {
    const made = (seed: number): string => {
      const out = join(folder, `seed-${seed}.csv`);
      execFileSync(PYTHON, ['examples/credit-risk/generate.py', '--rows', '1000', '--seed', String(seed), '--out', out], {
        timeout: 30_000,
      });
      return sha256(readFileSync(out));
    };

    expect(made(1)).toBe(made(1));
    expect(made(2)).not.toBe(made(1));
  });
});

describe('diabetes', () => {
  const file = `${REAL}/diabetes.csv`;

  test('stages the rows of the data set in its order', async () => {
    const content = generated('diabetes');
    if (existsSync(file)) expect(rowsOf(content)).toEqual(rowsOf(readFileSync(file)));

    const { found, quarantined, staged } = await refined('diabetes', content);

    expect([found, quarantined]).toEqual([{}, 0]);
    expect(staged.map(values)).toEqual(rowsOf(content));
  });

  test('refuses measurements that were not scaled', async () => {
    const content = generated('diabetes')
      .toString('utf8')
      .replace(/\n[^,]+,/, '\n59,');

    await expect(refined('diabetes', Buffer.from(content))).rejects.toThrow('columns-are-scaled');
  });
});
