// Reads local.settings.json: its `Values` become app settings, and what the process environment holds already wins.
// The real host never reads this file; the launcher does (facts/durable.md §1.1).
import { join } from 'node:path';
import { readJsonFile } from './json-file.ts';
import { HostStartError } from './start-error.ts';

/** What local.settings.json says. */
export interface LocalSettings {
  /** App settings by name. */
  readonly values: ReadonlyMap<string, string>;
  /** `Host.LocalHttpPort`, used when no port is asked for on the command line. */
  readonly port: number | undefined;
}

/** Reads `<folder>/local.settings.json`; a missing file means nothing is set. Throws `HostStartError` (kind `app`) when it does not fit. */
export function readLocalSettings(folder: string): LocalSettings {
  const file = join(folder, 'local.settings.json');
  const json = readJsonFile(file) ?? {};
  if (!isObject(json)) throw new HostStartError('app', `${file}: must be a JSON object with "Values".`);
  if (json['IsEncrypted'] === true) {
    throw new HostStartError('app', `${file}: is encrypted. Decrypt it (func settings decrypt) or remove "IsEncrypted".`);
  }
  const values = json['Values'] ?? {};
  if (!isObject(values)) throw new HostStartError('app', `${file}: "Values" must be an object of names and texts.`);
  const texts = new Map<string, string>();
  for (const [name, value] of Object.entries(values)) {
    if (value === null) continue;
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
      throw new HostStartError(
        'app',
        `${file}: "Values" → "${name}" must be a text, found an ${Array.isArray(value) ? 'array' : 'object'}.`,
      );
    }
    texts.set(name, String(value));
  }
  const host = json['Host'];
  const port = isObject(host) ? Number(host['LocalHttpPort']) : Number.NaN;
  return { values: texts, port: Number.isInteger(port) && port >= 0 && port <= 65_535 ? port : undefined };
}

/** Exports `Values` into an environment; names that it holds already keep their value. Returns the names that were set. */
export function exportLocalSettings(settings: LocalSettings, environment: NodeJS.ProcessEnv): string[] {
  const added = [...settings.values].filter(([name]) => environment[name] === undefined);
  for (const [name, value] of added) environment[name] = value;
  return added.map(([name]) => name);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
