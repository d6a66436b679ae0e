// Which processes of this machine belong to a folder: tests that start real processes prove with it that none is left.
import { readdir, readFile } from 'node:fs/promises';

/** Command lines of processes that were given this folder, by argument or by environment. */
export async function processesOf(folder: string): Promise<string[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const read = (id: string, file: string): Promise<string> => readFile(`/proc/${id}/${file}`, 'utf8').catch(() => '');
  const all = await Promise.all(ids.map(async (id) => [await read(id, 'cmdline'), await read(id, 'environ')] as const));
  return all.filter((texts) => texts.some((text) => text.includes(folder))).map(([command]) => command.replaceAll('\0', ' '));
}
