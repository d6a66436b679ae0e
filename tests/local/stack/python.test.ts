import { describe, expect, test } from 'vitest';
import { findPython, type PythonSearch, PythonMissingError } from '../../../local/stack/python.ts';

/** A machine on which only some programs work; records what was run. */
function machine(works: (program: string, args: readonly string[]) => boolean): { search: PythonSearch; ran: string[]; said: string[] } {
  const ran: string[] = [];
  const said: string[] = [];
  const search: PythonSearch = {
    root: '/nowhere/project',
    environment: {},
    say: (line) => said.push(line),
    isRoot: true,
    execute: async (program, args) => {
      ran.push(`${program} ${args.join(' ')}`);
      if (!works(program, args)) throw new Error(`${program}: No module named 'sklearn'`);
      return args.join(' ').includes('sys.executable') ? `/real${program.startsWith('/') ? program : `/${program}`}\n` : '';
    },
  };
  return { search, ran, said };
}

describe('finding a Python', () => {
  test('the first that imports the packages is taken, and nothing is installed', async () => {
    const { search, ran, said } = machine((program) => program === '/usr/bin/python3');

    await expect(findPython(search)).resolves.toBe('/real/usr/bin/python3');

    expect(said).toEqual([]);
    expect(ran.some((line) => line.startsWith('apt-get') || line.includes('pip'))).toBe(false);
  });

  test('a named one that lacks packages is an error, not skipped silently', async () => {
    const { search } = machine((program) => program === 'python3');

    await expect(findPython({ ...search, environment: { SLUICE_PYTHON: '/opt/own/python' } })).rejects.toThrow(
      /\$SLUICE_PYTHON is \/opt\/own\/python.*sklearn/s,
    );
  });

  test("pip out of reach: Debian's packages, when root, and it says so", async () => {
    let installed = false;
    const { search, ran, said } = machine((program, args) => {
      if (program === 'apt-get') installed = installed || args[0] === 'install';
      return program === 'apt-get' || (installed && program === '/usr/bin/python3');
    });

    await expect(findPython(search)).resolves.toBe('/usr/bin/python3');

    expect(ran.filter((line) => line.startsWith('apt-get'))).toHaveLength(2);
    expect(said.join('\n')).toContain('Debian');
  });

  test('nothing works: the message holds the reasons and the command to type', async () => {
    const { search } = machine(() => false);

    const failure = await findPython({ ...search, isRoot: false }).catch((error: unknown) => error);

    expect(failure).toBeInstanceOf(PythonMissingError);
    expect((failure as Error).message).toMatch(/only root may install/);
    expect((failure as Error).message).toMatch(/apt-get install -y --no-install-recommends python3/);
  });
});
