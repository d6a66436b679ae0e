// Puts a file where it lands, as any Storage client would.
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { PipelineVersion } from '../shared/contracts/pipeline.ts';
import type { Api } from './api.ts';
import type { Context } from './context.ts';
import { CommandError, EXIT } from './failure.ts';

export interface Landed {
  path: string;
  /** Without quotes, as events carry it. */
  eTag: string;
  bytes: number;
}

/** Uploads a file to the landing folder of a pipeline under its own name (or `as`). */
export async function landFile(context: Context, api: Api, file: string, pipeline: string, as?: string): Promise<Landed> {
  const version = await api.find<PipelineVersion>(`/pipelines/${encodeURIComponent(pipeline)}`);
  const folder = version?.spec.sources[0]?.path;
  if (!folder) throw new CommandError(EXIT.notFound, `No pipeline "${pipeline}" is registered`, 'register it with: sluice apply DIR');
  const info = await stat(file).catch(() => null);
  if (!info?.isFile()) throw new CommandError(EXIT.usage, `${file} is not a file`);
  const name = as ?? basename(file);
  // Storage would take some of them for another path, and Sluice refuses the others.
  if (name.split('/').some((part) => part === '' || part === '.' || part === '..'))
    throw new CommandError(
      EXIT.usage,
      `"${name}" is no name for a file in the lake`,
      'name it without empty, "." or ".." parts: --as NAME',
    );
  const lake = await lakeOf(context);
  // Loaded here: every command would wait for the SDK otherwise.
  const { BlobServiceClient } = await import('@azure/storage-blob');
  const path = `${folder}${name}`;
  const blob = BlobServiceClient.fromConnectionString(lake.connectionString).getContainerClient(lake.container).getBlockBlobClient(path);
  const answer = info.size === 0 ? await blob.upload('', 0) : await blob.uploadFile(file, { maxSingleShotSize: 64 * 1024 * 1024 });
  return { path, eTag: (answer.etag ?? '').replaceAll('"', ''), bytes: info.size };
}

async function lakeOf(context: Context): Promise<{ connectionString: string; container: string }> {
  const given = context.environment['SLUICE_LAKE_CONNECTION'];
  if (given) return { connectionString: given, container: context.environment['SLUICE_LAKE_CONTAINER'] ?? 'lake' };
  const stack = await context.stack();
  if (stack) return stack.lake;
  throw new CommandError(
    EXIT.usage,
    'No lake to write to',
    'start a local stack (npm start), set SLUICE_LAKE_CONNECTION, or write the file with any Storage client',
  );
}
