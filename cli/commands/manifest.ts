import { readdir, stat, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { DataManifest } from '../../shared/contracts/data-manifest.ts';
import type { Command } from '../command.ts';
import { textOption } from '../command.ts';
import { CommandError, EXIT } from '../failure.ts';
import { describedFile } from '../site-data.ts';

/** Describes files that stay where they are: run it beside them, and land what it writes. */
export const manifest: Command = {
  name: 'manifest',
  args: ['<files>'],
  help: 'Write the manifest of a file, or of the files of a folder, for a pipeline with data: on-premises',
  options: [
    { flags: '--at <address>', help: 'where the training side finds them, e.g. site://ble', required: true },
    { flags: '--dataset <name>', help: 'name of the dataset; the folder’s or file’s own without it' },
    { flags: '--out <file>', help: 'file to write (default manifest.json)' },
  ],
  async run({ output }, [path = ''], options) {
    const at = (textOption(options, 'at') ?? '').replace(/\/+$/, '');
    const files = [];
    for (const file of await filesOf(path)) files.push(await describedFile(file, addressOf(at, basename(file))));
    const checked = DataManifest.safeParse({ dataset: textOption(options, 'dataset') ?? basename(resolve(path)), files });
    if (!checked.success) {
      const [issue] = checked.error.issues;
      throw new CommandError(EXIT.usage, `${path} makes no manifest: ${issue?.path.join('.')}: ${issue?.message}`, 'see the help of --at');
    }
    const target = textOption(options, 'out') ?? 'manifest.json';
    await writeFile(target, `${JSON.stringify(checked.data, null, 2)}\n`);
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    output.line(`${output.paint.bold(target)} names ${files.length} file${files.length === 1 ? '' : 's'} of ${bytes} bytes`);
    output.line(`  land it with: sluice drop ${target} --pipeline NAME`);
    output.result({ file: target, ...checked.data });
    return EXIT.done;
  },
};

/** Steps at a site read plain names only, so that no address leads out of its folder. */
function addressOf(at: string, name: string): string {
  if (!at.startsWith('site://')) return `${at}/${encodeURIComponent(name)}`;
  if (/^[A-Za-z0-9_][A-Za-z0-9._=+-]*$/.test(name)) return `${at}/${name}`;
  throw new CommandError(EXIT.usage, `${name} is no name that is read at a site`, 'rename it: letters, digits and . _ = + -');
}

/** The file, or the files of the folder by their names; hidden ones are nobody's data. */
async function filesOf(path: string): Promise<string[]> {
  const info = await stat(path).catch(() => null);
  if (!info) throw new CommandError(EXIT.usage, `${path} does not exist`);
  if (info.isFile()) return [path];
  const entries = await readdir(path, { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.')).map(({ name }) => join(path, name));
  if (files.length === 0) throw new CommandError(EXIT.usage, `${path} holds no file`);
  return files.sort();
}
