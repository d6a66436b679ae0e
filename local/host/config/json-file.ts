// Reads a JSON file the way the real host reads host.json: a byte order mark and comments are allowed.
// Errors name the file and the line.
import { readFileSync } from 'node:fs';
import { HostStartError } from './start-error.ts';

/** Parsed content, or `undefined` when there is no such file. Throws `HostStartError` (kind `app`) when it is not JSON. */
export function readJsonFile(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new HostStartError('app', `${file}: cannot be read: ${(error as Error).message}`, { cause: error });
  }
  try {
    return JSON.parse(withoutComments(text.replace(/^\uFEFF/, ''))) as unknown;
  } catch (error) {
    throw new HostStartError('app', `${file}: not valid JSON: ${(error as Error).message}. Correct the file and start again.`, {
      cause: error,
    });
  }
}

/** Replaces comments by spaces, so that positions in error messages stay right; text inside strings is kept. */
function withoutComments(text: string): string {
  return text.replace(/"(?:[^"\\\n]|\\.)*"|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (part) =>
    part.startsWith('"') ? part : part.replace(/[^\n]/g, ' '),
  );
}
