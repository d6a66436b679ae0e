// The image builders that may be on a machine, and what each is told. They are tried in this order.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface BuildRequest {
  dockerfile: string;
  /** Folder that the Dockerfile copies from. */
  context: string;
  base: string;
  /** Repository with a tag for the push; what counts afterwards is the digest. */
  tag: string;
  /** Where the builder leaves the digest of what it pushed. */
  digestFile: string;
}

export interface Builder {
  name: string;
  /** Exits with 0 where the builder works: the program is there and its engine answers. */
  probe: readonly string[];
  /** Programs in the order they are run; the last leaves the digest in `digestFile`. */
  commands(request: BuildRequest): readonly (readonly string[])[];
}

const args = ({ dockerfile, base, tag }: BuildRequest): string[] => ['-f', dockerfile, '--build-arg', `BASE_IMAGE=${base}`, '-t', tag];

export const BUILDERS: readonly Builder[] = [
  {
    name: 'docker buildx',
    probe: ['docker', 'buildx', 'inspect'],
    commands: (request) => [
      [
        'docker',
        'buildx',
        'build',
        ...args(request),
        '--provenance=false',
        '--push',
        '--metadata-file',
        request.digestFile,
        request.context,
      ],
    ],
  },
  {
    name: 'podman',
    probe: ['podman', 'info'],
    commands: (request) => [
      ['podman', 'build', ...args(request), request.context],
      ['podman', 'push', '--digestfile', request.digestFile, request.tag],
    ],
  },
  {
    name: 'buildah',
    probe: ['buildah', 'info'],
    commands: (request) => [
      ['buildah', 'build', ...args(request), request.context],
      ['buildah', 'push', '--digestfile', request.digestFile, request.tag],
    ],
  },
];

/** Runs a program; its last lines are in the error when it fails. */
export type Execute = (command: readonly string[], timeoutMs: number) => Promise<void>;

export const execute: Execute = async ([program = '', ...rest], timeoutMs) => {
  await run(program, rest, { timeout: timeoutMs, maxBuffer: 64 * 1024 * 1024 });
};

/** The first builder that answers, or why none does. */
export async function findBuilder(execute: Execute): Promise<Builder | { missing: string[] }> {
  const missing: string[] = [];
  for (const builder of BUILDERS) {
    try {
      await execute(builder.probe, 30_000);
      return builder;
    } catch (error) {
      missing.push(`${builder.name}: ${whyNot(builder.probe[0] ?? '', error)}`);
    }
  }
  return { missing };
}

/** Programs say first what is wrong and then how they are used. */
function whyNot(program: string, error: unknown): string {
  const { stderr, message, code } = error as { stderr?: unknown; message?: string; code?: unknown };
  if (code === 'ENOENT') return `there is no ${program} on the PATH`;
  const text = typeof stderr === 'string' && stderr.trim() !== '' ? stderr : (message ?? 'failed');
  return text.trim().split('\n')[0] ?? 'failed';
}

/** buildx writes JSON with `containerimage.digest`; the others write the digest alone. */
export function digestIn(text: string): string | null {
  const [digest] =
    /sha256:[0-9a-f]{64}/.exec(text.includes('containerimage.digest') ? text.slice(text.indexOf('containerimage.digest')) : text) ?? [];
  return digest ?? null;
}

export function lastLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: unknown; message?: string };
  const text = typeof stderr === 'string' && stderr.trim() !== '' ? stderr : (message ?? 'failed');
  return text.trim().split('\n').at(-1) ?? 'failed';
}
