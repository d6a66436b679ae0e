// The shell text of a step, run by a real shell after what Azure ML does to it: replacing `${{…}}` as text.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stepScript } from '../../../../shared/adapters/azureml/script.ts';
import { JobSpec, type JobSpecInput } from '../../../../shared/contracts/training.ts';

const IMAGE = `registry.test/step@sha256:${'1'.repeat(64)}`;
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-script-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Prints its arguments, one JSON text per line. */
const ECHO = ['node', '-e', 'for (const word of process.argv.slice(1)) console.log(JSON.stringify(word))'];

function jobOf(more: Partial<JobSpecInput>, args: JobSpecInput['steps'][number]['args'], command = ECHO): JobSpec {
  return JobSpec.parse({
    name: 'train-a-1',
    graph: 'a-train',
    steps: [{ name: 'train', image: IMAGE, command, args, cpu: 1, memoryGiB: 1 }],
    parameters: {},
    labels: {},
    ...more,
  });
}
const file = (name: string, storePath: string) => ({
  name,
  storePath,
  sha256: '0'.repeat(64),
  bytes: 1,
  url: 'https://secret.example/?sig=s',
});
const toExport = (name: string, storePath: string, optional = false) => ({
  step: 'train',
  output: 'result',
  file: name,
  storePath,
  url: 'u',
  readUrl: 'r',
  optional,
});

let run = 0;
/** Replaces as the service does, with folders of this machine, and runs. */
function execute(job: JobSpec, values: Record<string, string> = {}) {
  const step = job.steps[0];
  if (!step) throw new Error('no step');
  const script = stepScript(job, step);
  const work = join(folder, String((run += 1)));
  const place = (key: string) => {
    const path = join(work, key);
    if (!existsSync(path)) mkdirSync(path, { recursive: true });
    return path;
  };
  const text = script.command.replace(/\$\{\{(inputs|outputs)\.(\w+)\}\}/g, (_, group: string, key: string) => {
    if (Object.hasOwn(values, key)) return values[key] ?? '';
    if (script.parameters.includes(key)) return String(job.parameters[key]);
    return place(`${group}-${key}`);
  });
  mkdirSync(work, { recursive: true });
  const done = spawnSync('/bin/sh', ['-c', text], { cwd: work, encoding: 'utf8', timeout: 20_000 });
  const words = done.stdout.split('\n').filter((line) => line !== '');
  return { script, work, place, code: done.status, stderr: done.stderr, words: words.map((line) => JSON.parse(line) as string) };
}

describe('the words of a step', () => {
  it('reach the program unchanged, whatever they hold', () => {
    const texts = fc.array(
      fc.oneof(
        fc.string({ maxLength: 30 }),
        fc.constantFrom("it's", '$HOME `id` $(id)', '${{inputs.x}}', '$[[a]]', '"', '\\', 'a\nb', '*', '--flag=${{', '🎈'),
      ),
      {
        minLength: 1,
        maxLength: 12,
      },
    );
    fc.assert(
      fc.property(texts, (words) => {
        const clean = words.map((word) => word.replaceAll('\0', ''));
        // A first word with a hyphen would be an option of node itself.
        const { words: told, code } = execute(jobOf({}, ['first', ...clean]));
        expect(code).toBe(0);
        expect(told).toEqual(['first', ...clean]);
      }),
      { numRuns: 12 },
    );
  });

  it('values of parameters do too, and are no part of the command', () => {
    const value = JSON.stringify({ alpha: 0.03, text: `it's $HOME "x" \`id\` $(id) \\ ;&|` });
    const { words, script } = execute(
      jobOf({ parameters: { params: value, rounds: 5, fast: true } }, [
        'x',
        { parameter: 'params' },
        { parameter: 'rounds' },
        { parameter: 'fast' },
      ]),
    );

    expect(words).toEqual(['x', value, '5', 'true']);
    expect(script.parameters).toEqual(['params', 'rounds', 'fast']);
    expect(script.command).not.toContain('alpha');
  });

  it.each(['', '{}', '[]', '-', ' '])(
    'a value without letter or digit (%j) stands in the command: the service refuses it as a literal',
    (value) => {
      const { words, script } = execute(jobOf({ parameters: { params: value } }, ['x', { parameter: 'params' }]));

      expect(words).toEqual(['x', value]);
      expect(script.parameters).toEqual([]);
    },
  );

  it.each(['a ${{inputs.secret}}', 'a $[[x]]', 'x\nSLUICE_VALUE\nid'])(
    'a value that Azure ML or the shell would take for its own is refused: %j',
    (value) => {
      expect(() => execute(jobOf({ parameters: { params: value } }, [{ parameter: 'params' }]))).toThrow(/would take for its own/);
    },
  );

  it('paths come with their prefix: of an input, of an earlier step, of the own folder', () => {
    const inputs = { gold: [file('a.csv', 'staged/x/a.csv'), file('b.csv', 'staged/x/b.csv')] };
    const { words, script, place } = execute(
      jobOf({ inputs }, [
        'x',
        { input: 'gold', prefix: 'gold=' },
        { from: 'make-set', output: 'result', prefix: 'set=' },
        { output: 'result' },
      ]),
    );

    expect(words).toEqual([
      'x',
      `gold=${place('inputs-sluice_in_gold')}`,
      `set=${place('inputs-sluice_from_make_set_result')}/result`,
      `${place('outputs-result')}/result`,
    ]);
    expect(script.inputs).toEqual([{ key: 'sluice_in_gold', storePath: 'staged/x/', kind: 'uri_folder' }]);
    expect(script.links).toEqual([{ key: 'sluice_from_make_set_result', step: 'make-set', output: 'result' }]);
  });

  it('files that do not lie together in the store do so for the step', () => {
    const inputs = { gold: [file('part one.csv', 'staged/x/0001.csv'), file("b'c.csv", 'elsewhere/2.csv')] };
    const command = [
      'node',
      '-e',
      `const fs = require('fs'); const [, dir] = process.argv; for (const name of fs.readdirSync(dir).sort()) console.log(JSON.stringify(name + ':' + fs.readFileSync(dir + '/' + name, 'utf8')))`,
    ];
    const files = [join(folder, 'one'), join(folder, 'two')];
    files.forEach((path, index) => writeFileSync(path, `content ${index}`));

    const { words, script } = execute(jobOf({ inputs }, [{ input: 'gold' }], command), {
      sluice_in_gold_0: files[0] ?? '',
      sluice_in_gold_1: files[1] ?? '',
    });

    expect(words).toEqual(["b'c.csv:content 1", 'part one.csv:content 0']);
    expect(script.inputs.map(({ kind, storePath }) => [kind, storePath])).toEqual([
      ['uri_file', 'staged/x/0001.csv'],
      ['uri_file', 'elsewhere/2.csv'],
    ]);
  });
});

describe('what a step leaves', () => {
  const writes = (files: Record<string, string>, code = 0) => [
    'node',
    '-e',
    `const fs = require('fs'); const [, out] = process.argv; fs.mkdirSync(out); for (const [name, text] of Object.entries(${JSON.stringify(files)})) fs.writeFileSync(out + '/' + name, text); process.exit(${code})`,
  ];
  const exports = [
    toExport('run-report.json', 'runs/r/run-report.json'),
    toExport('run-report.json', 'runs/r/steps/train/run-report.json', true),
    toExport('roc.png', 'runs/r/files/train/roc.png', true),
    toExport('model.tar.gz', 'runs/r/model.tar.gz'),
  ];
  const all = { 'run-report.json': '{}', 'model.tar.gz': 'zip', 'roc.png': 'png', 'scratch.bin': 'x' };
  const at = ({ place, script }: ReturnType<typeof execute>, path: string) => {
    const target = script.exports.find(({ folder: held }) => path.startsWith(held) && !path.slice(held.length).includes('/'));
    return join(place(`outputs-${target?.key ?? 'none'}`), path.slice(target?.folder.length ?? 0));
  };

  it('is found where the job says, and nothing else is', () => {
    const done = execute(jobOf({ exports }, [{ output: 'result' }], writes(all)));

    expect(done.code).toBe(0);
    for (const entry of exports) expect(readFileSync(at(done, entry.storePath), 'utf8')).toBe(all[entry.file as keyof typeof all]);
    expect(existsSync(at(done, 'runs/r/scratch.bin'))).toBe(false);
    expect(done.script.exports.map(({ folder: held }) => held).sort()).toEqual(['runs/r/', 'runs/r/files/train/', 'runs/r/steps/train/']);
  });

  it('is copied with the report last, in whatever order it was asked for', () => {
    const { command } = stepScript(
      jobOf({ exports }, [{ output: 'result' }]),
      jobOf({ exports }, [{ output: 'result' }]).steps[0] as JobSpec['steps'][number],
    );
    const copies = command.split('\n').filter((line) => line.includes('cp '));

    expect(copies.at(-1)).toContain('run-report.json');
    expect(copies.findIndex((line) => line.includes('model.tar.gz'))).toBeLessThan(
      copies.findIndex((line) => line.includes('run-report.json')),
    );
  });

  it('a file that must be there and is not fails the step, by name; one that may be missing does not', () => {
    const { 'roc.png': _, ...without } = all;
    expect(execute(jobOf({ exports }, [{ output: 'result' }], writes(without))).code).toBe(0);

    const done = execute(jobOf({ exports }, [{ output: 'result' }], writes({ 'run-report.json': '{}' })));

    expect(done.code).toBe(66);
    expect(done.stderr).toContain('left no file model.tar.gz');
  });

  it('a step that failed leaves what may be missing, keeps its exit code, and no report of a run', () => {
    const done = execute(jobOf({ exports }, [{ output: 'result' }], writes(all, 3)));

    expect(done.code).toBe(3);
    expect(existsSync(at(done, 'runs/r/steps/train/run-report.json'))).toBe(true);
    expect(existsSync(at(done, 'runs/r/run-report.json'))).toBe(false);
    expect(existsSync(at(done, 'runs/r/model.tar.gz'))).toBe(false);
  });

  it.each(['../model', '/etc/passwd', 'a/../../b'])('a file outside the folder is refused: %s', (name) => {
    expect(() => execute(jobOf({ exports: [toExport(name, 'runs/r/x')] }, [{ output: 'result' }]))).toThrow(/not a plain path/);
  });
});
