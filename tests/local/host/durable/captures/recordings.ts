// The recordings of a real Functions host, read where they are present; tests skip with a reason where they are not.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HistoryEvent } from '../../../../../local/host/durable/history-events.ts';

const root = fileURLToPath(new URL('../../../../../', import.meta.url));
/** Beside the repository, or inside it. */
export const folder = [join(root, '../shared/captures'), join(root, 'shared/captures')].find((path) => existsSync(path));

export interface Step {
  triggerInput: { history: HistoryEvent[]; input: unknown; instanceId: string; isReplaying: boolean; [field: string]: unknown };
  response: Record<string, unknown>;
  workerMs?: number;
}

/** One file: what the host sent and what the SDK answered, step by step. */
export interface Recording {
  pattern: string;
  orchestrator?: string;
  instanceId?: string;
  replays?: number;
  steps: Step[];
  [field: string]: unknown;
}

export function readRecording<T = Recording>(name: string): T {
  if (folder === undefined) throw new Error('the recordings are not here');
  return JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as T;
}

/** The host that was recorded: what profile `ext-3.14` imitates. */
export const lab = {
  host: 'azure-functions-host 4.1037.0 (source build, .NET 10)',
  worker: 'nodejs-worker 3.9.1',
  extension: 'DurableTask 3.14.1 (DTFx.Core 3.9.0, AzureStorage 2.9.1)',
  sdk: 'durable-functions 3.5.0, @azure/functions 4.16.5',
  storage: 'Azurite 3.35.0',
};

/** Names of all recordings of orchestrations. */
export function orchestrationRecordings(): string[] {
  if (folder === undefined) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .filter((name) => Array.isArray(readRecording<Partial<Recording>>(name).steps));
}
