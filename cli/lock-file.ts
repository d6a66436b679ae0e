// The lock file of images: component → image by digest. From --images, else the running local stack, else components/images.lock.json.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { ImageReference } from '../shared/contracts/identifiers.ts';
import type { Context } from './context.ts';
import { CommandError, EXIT } from './failure.ts';

const Lock = z.record(z.string(), ImageReference);

export async function readLock(context: Context, file: string | undefined): Promise<Record<string, string>> {
  const stack = file === undefined ? await context.stack() : null;
  if (stack) return stack.images;
  const path = file ?? join(context.root, 'components', 'images.lock.json');
  const text = await readFile(path, 'utf8').catch(() => {
    throw new CommandError(EXIT.usage, `${path} cannot be read`, 'name the lock file of your images: --images FILE');
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new CommandError(EXIT.usage, `${path} is not JSON`);
  }
  const lock = Lock.safeParse(json);
  if (!lock.success)
    throw new CommandError(
      EXIT.usage,
      `${path}: ${lock.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')}`,
    );
  return lock.data;
}
