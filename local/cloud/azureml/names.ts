// Names that travel: GUIDs derived from a text, folder names for ids from outside, rules of job and asset names.
import { createHash } from 'node:crypto';

/** GUID that stays the same for the same text. */
export function guid(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-');
}

/** A folder name for any id: readable where it can be, distinct in any case, also on file systems that ignore case. */
export function folderName(id: string): string {
  const readable = id.replace(/[^A-Za-z0-9._-]/g, '_').slice(0, 60);
  return `${readable.replace(/^\.+/, '_')}-${createHash('sha256').update(id).digest('hex').slice(0, 12)}`;
}

/**
 * Names of jobs. Azure's own rule is not documented (facts/azure.md §1.5); run ids have at most 256 characters (facts/mlflow.md §9), and a
 * colon was refused in public issues. Stricter than the service may be: letters, digits, `-` and `_`, beginning with a letter or digit.
 */
export const JOB_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,254}$/;
/** Names and versions of assets: also dots. */
export const ASSET_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/;
