// The two sides of the run report agree: what the Python protocol documents and writes is what the contract reads.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RunReport } from '../../shared/contracts/run-report.ts';

const COMPONENTS = new URL('../../components/', import.meta.url).pathname;

test('the contract reads both documented reports, whole', () => {
  const readme = readFileSync(join(COMPONENTS, 'protocol/README.md'), 'utf8');
  const examples = [...readme.matchAll(/```json\n([\s\S]*?)```/g)].map((match) => RunReport.parse(JSON.parse(match[1] ?? '')));

  const [success, failure] = examples;
  expect(examples).toHaveLength(2);
  expect(success?.status).toBe('succeeded');
  expect(success?.model?.files.map((file) => file.path)).toEqual(['model.json', 'weights.npz']);
  expect(success?.golden?.predictions[0]).toMatchObject({ label: 'I01', probability: 0.41 });
  expect(failure?.status).toBe('failed');
  expect(failure?.error?.code).toBe('gold-value');
});

test('the contract reads what a step really leaves, of success and of failure', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-report-'));
  const python = (code: string): number | null =>
    spawnSync('python3', ['-c', `import sys\nfrom sluice_protocol import *\n${code}`, folder], {
      env: { ...process.env, PYTHONPATH: join(COMPONENTS, 'protocol') },
      timeout: 20_000,
    }).status;
  const report = (): RunReport => RunReport.parse(JSON.parse(readFileSync(join(folder, 'run-report.json'), 'utf8')));
  const run = (work: string): string => `sys.exit(run_component(Component('step', '1'), ${work}, ['--out', sys.argv[1]]))`;

  try {
    expect(python(run("lambda _: Outcome(metrics={'rows': 3}, slices=[Slice('a', 1, {'m': 0.5})])"))).toBe(0);
    expect(report()).toMatchObject({ status: 'succeeded', metrics: { rows: 3 }, slices: [{ name: 'a', n: 1, metrics: { m: 0.5 } }] });

    expect(python(run("lambda _: Outcome(metrics={'auc': float('nan')})"))).toBe(1);
    expect(report()).toMatchObject({ status: 'failed', error: { code: 'report-invalid' }, metrics: {} });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('both sides compute the same modelDigest', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-digest-'));
  try {
    const code = `
import sys, pathlib
from sluice_protocol import folder_digests, model_digest
root = pathlib.Path(sys.argv[1])
(root / 'b').mkdir()
(root / 'b' / 'x').write_bytes(b'1')
(root / 'a.json').write_bytes(b'{}')
print(model_digest(folder_digests(root)))`;
    const found = execFileSync('python3', ['-c', code, folder], {
      env: { ...process.env, PYTHONPATH: join(COMPONENTS, 'protocol') },
      timeout: 20_000,
      encoding: 'utf8',
    }).trim();
    const hex = (content: string): string => createHash('sha256').update(content).digest('hex');
    expect(found).toBe(hex(`a.json\0${hex('{}')}\nb/x\0${hex('1')}\n`));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
