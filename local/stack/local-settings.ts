// `local.settings.json`: how a host that this stack does not start learns its settings (facts/durable.md §1.1).
// The file of somebody else is kept in the data folder before it is replaced.
import { chmod, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What was written, for the person at the machine. */
export interface WrittenSettings {
  file: string;
  /** Where the file lies that was there before and was not a stack's; null when there was none. */
  kept: string | null;
}

/** Writes the file that Core Tools and the local host read. Only its owner may read it: it holds the identity's header. */
export async function writeLocalSettings(options: {
  root: string;
  dataDir: string;
  settings: Readonly<Record<string, string>>;
  port: number;
}): Promise<WrittenSettings> {
  const file = join(options.root, 'local.settings.json');
  const kept = await keepForeign(file, join(options.dataDir, 'local.settings.before.json'));
  const content = { IsEncrypted: false, Host: { LocalHttpPort: options.port }, Values: options.settings };
  const temporary = `${file}.${process.pid}.tmp`;
  await writeFile(temporary, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  await rename(temporary, file);
  return { file, kept };
}

/** A stack's own file is told by IDENTITY_HEADER, which only a platform sets. */
async function keepForeign(file: string, keep: string): Promise<string | null> {
  const before = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (before === null || /"IDENTITY_HEADER"\s*:/.test(before)) return null;
  await writeFile(keep, before, { mode: 0o600 });
  await chmod(keep, 0o600);
  return keep;
}
