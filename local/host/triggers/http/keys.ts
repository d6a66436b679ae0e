// Function keys: made once, kept in the data folder, checked in constant time.
// Without `--enable-auth` every caller counts as admin, as under Core Tools (facts/durable.md §1.1).
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmodSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonFile } from '../../config/json-file.ts';
import { HostStartError } from '../../config/start-error.ts';

/** Who a caller is, weakest first. */
export type AuthLevel = 'anonymous' | 'function' | 'admin';

/** Level and the name of the key that gave it. */
export interface Caller {
  readonly level: AuthLevel;
  readonly keyId: string | undefined;
}

/** Answers who a caller is. */
export interface KeyRing {
  /** Level of a caller of a function by the key presented (header `x-functions-key` or query `code`). */
  caller(functionName: string, presented: string | undefined): Caller;
  /** Whether a presented key opens `/admin`. */
  isAdmin(presented: string | undefined): boolean;
  /** Whether a presented key opens the Durable management API. */
  opensSystem(presented: string | undefined): boolean;
  /** Key that management URLs carry; `undefined` when keys are not asked for. */
  readonly systemKey: string | undefined;
}

interface Keys {
  readonly master: string;
  /** `durabletask_extension`. */
  readonly system: string;
  /** Opens every function. */
  readonly host: string;
  /** Opens one function, by its name. */
  readonly functions: Readonly<Record<string, string>>;
}

/** Everybody is admin: the local default. */
export const openKeyRing: KeyRing = {
  caller: () => ({ level: 'admin', keyId: undefined }),
  isAdmin: () => true,
  opensSystem: () => true,
  systemKey: undefined,
};

/** Keys of a data folder (`keys.json`, mode 600), completed for functions that have none yet; without a folder they last as long as the host. */
export function loadKeyRing(dataFolder: string | undefined, functionNames: readonly string[]): KeyRing {
  const file = dataFolder === undefined ? undefined : join(dataFolder, 'keys.json');
  const stored = file === undefined ? undefined : (readJsonFile(file) as Partial<Keys> | undefined);
  const own = new Map(Object.entries(stored?.functions ?? {}));
  const keys: Keys = {
    master: stored?.master ?? newKey(),
    system: stored?.system ?? newKey(),
    host: stored?.host ?? newKey(),
    functions: Object.fromEntries([
      ...own,
      ...functionNames.filter((name) => !own.has(name)).map((name): [string, string] => [name, newKey()]),
    ]),
  };
  const all = [keys.master, keys.system, keys.host, ...Object.values(keys.functions)];
  if (all.some((key) => typeof key !== 'string' || key.length < 16)) {
    throw new HostStartError(
      'app',
      `${file ?? 'keys'}: every key must be a text of at least 16 characters. Delete the file to get new keys.`,
    );
  }
  if (file !== undefined) write(file, keys);
  return createKeyRing(keys);
}

function createKeyRing(keys: Keys): KeyRing {
  const own = new Map(Object.entries(keys.functions));
  return {
    systemKey: keys.system,
    isAdmin: (presented) => same(presented, keys.master),
    opensSystem: (presented) => same(presented, keys.system) || same(presented, keys.master),
    caller: (functionName, presented) => {
      if (same(presented, keys.master)) return { level: 'admin', keyId: '_master' };
      if (same(presented, keys.host) || same(presented, own.get(functionName))) return { level: 'function', keyId: 'default' };
      return { level: 'anonymous', keyId: undefined };
    },
  };
}

function write(file: string, keys: Keys): void {
  const fresh = `${file}.new`;
  writeFileSync(fresh, `${JSON.stringify(keys, undefined, 2)}\n`, { mode: 0o600 });
  chmodSync(fresh, 0o600);
  renameSync(fresh, file);
}

/** Digests have one length whatever was presented, so the comparison takes the same time. */
function same(presented: string | undefined, key: string | undefined): boolean {
  if (!presented || !key) return false;
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(presented), digest(key));
}

function newKey(): string {
  return randomBytes(32).toString('base64url');
}
