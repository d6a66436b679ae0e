// Building images: what each builder is told, that only digests reach the lock file, and that a failure changes nothing.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BUILDERS, digestIn, type Execute } from '../../scripts/images/builders.ts';
import { buildImages, type ImagesRequest, wordsOf } from '../../scripts/images/build.ts';

const BASE = `python@sha256:${'b'.repeat(64)}`;
const DIGEST = `sha256:${'d'.repeat(64)}`;
let root: string;
const lockFile = () => join(root, 'components', 'images.lock.json');

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'images-'));
  for (const name of ['one', 'two']) {
    await mkdir(join(root, 'components', name), { recursive: true });
    await writeFile(join(root, 'components', name, 'Dockerfile'), 'ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n');
    await writeFile(join(root, 'components', name, 'component.yaml'), `name: ${name}\nversion: 1.2.0\nimage: sluice/${name}\n`);
  }
  await mkdir(join(root, 'components', 'protocol'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** A machine that has one builder; it "pushes" by writing the digest where it was told to. */
function machine(program: string, seen: string[][], fail?: string): Execute {
  return async (command) => {
    seen.push([...command]);
    if (command[0] !== program) throw new Error(`${command[0]}: not found`);
    if (fail !== undefined && command.join(' ').includes(fail)) throw Object.assign(new Error('x'), { stderr: 'step 3\nno space left\n' });
    const at = Math.max(command.indexOf('--digestfile'), command.indexOf('--metadata-file'));
    if (at < 0) return;
    const text =
      command[at] === '--digestfile'
        ? DIGEST
        : JSON.stringify({ 'buildx.build.ref': `sha256:${'0'.repeat(64)}`, 'containerimage.digest': DIGEST });
    await writeFile(command[at + 1] as string, text);
  };
}
const request = (more: Partial<ImagesRequest>): ImagesRequest => ({
  root,
  registry: 'registry.internal/ml',
  base: BASE,
  only: [],
  execute: machine('podman', []),
  say: () => undefined,
  ...more,
});

describe('building images', () => {
  test.each(BUILDERS.map(({ name, probe }) => [name, probe[0] as string]))('with %s writes a lock of digests', async (_name, program) => {
    const seen: string[][] = [];
    const lock = await buildImages(request({ execute: machine(program, seen) }));

    expect(lock).toEqual({ one: `registry.internal/ml/sluice/one@${DIGEST}`, two: `registry.internal/ml/sluice/two@${DIGEST}` });
    expect(JSON.parse(await readFile(lockFile(), 'utf8'))).toEqual(lock);
    expect(seen.flat()).toContain(`BASE_IMAGE=${BASE}`);
    expect(seen.flat()).toContain('registry.internal/ml/sluice/one:1.2.0');
  });

  test('of one component keeps the others’ references', async () => {
    await writeFile(lockFile(), JSON.stringify({ two: `elsewhere/two@sha256:${'2'.repeat(64)}` }));

    expect(await buildImages(request({ only: ['one'] }))).toEqual({
      one: `registry.internal/ml/sluice/one@${DIGEST}`,
      two: `elsewhere/two@sha256:${'2'.repeat(64)}`,
    });
  });

  test('that fails half-way leaves the lock file as it was', async () => {
    await writeFile(lockFile(), '{}');

    await expect(buildImages(request({ execute: machine('podman', [], 'sluice/two') }))).rejects.toThrow(
      /two: podman build.*no space left/s,
    );
    expect(await readFile(lockFile(), 'utf8')).toBe('{}');
  });

  test('refuses a base by tag, an unknown component, and a machine without a builder', async () => {
    await expect(buildImages(request({ base: 'python:3.11' }))).rejects.toThrow('not an image by digest');
    await expect(buildImages(request({ only: ['three'] }))).rejects.toThrow('there are one, two');
    await expect(buildImages(request({ execute: machine('nothing', []) }))).rejects.toThrow(/No image builder works here:.*buildah/s);
    await expect(buildImages(request({ registry: 'https://x' }))).rejects.toThrow('--registry');
  });

  test('says of each builder why it does not work, in its first words', async () => {
    const failures: Record<string, Error> = {
      docker: Object.assign(new Error('x'), { stderr: "docker: 'buildx' is not a docker command.\nRun 'docker --help' for more\n" }),
      podman: Object.assign(new Error('spawn podman ENOENT'), { code: 'ENOENT' }),
      buildah: new Error('no engine'),
    };
    const execute: Execute = ([program = '']) => Promise.reject(failures[program] ?? new Error(program));

    const message = await buildImages(request({ execute })).then(
      () => '',
      (error: unknown) => String(error),
    );

    expect(message).toContain("- docker buildx: docker: 'buildx' is not a docker command.\n  - podman: there is no podman on the PATH\n");
    expect(message).toContain('- buildah: no engine\nInstall one of them');
  });

  test('understands its command line, and says what it does not know', () => {
    expect(wordsOf(['--registry', 'r', '--base', BASE, 'one'])).toEqual({ registry: 'r', base: BASE, only: ['one'], help: false });
    expect(wordsOf(['--help'])).toMatchObject({ help: true });
    expect(wordsOf(['--registry', 'r'])).toBe('');
    expect(wordsOf(['--wrong'])).toBe("Unknown option '--wrong'");
  });

  test('takes the image’s digest, not another that the builder mentions', () => {
    expect(digestIn(JSON.stringify({ other: `sha256:${'0'.repeat(64)}`, 'containerimage.digest': DIGEST }))).toBe(DIGEST);
    expect(digestIn('pushed')).toBeNull();
  });
});
