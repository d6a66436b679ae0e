// Finds the built files of an app folder: package.json `main`, a path or a glob, as the Node worker reads it.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { readJsonFile } from './json-file.ts';
import { HostStartError } from './start-error.ts';

/** Files to import, in order of name. Throws `HostStartError` (kind `app`) that says what is missing and how to mend it. */
export function entryFiles(folder: string): string[] {
  const file = join(folder, 'package.json');
  if (!existsSync(folder)) throw new HostStartError('app', `${folder}: there is no such folder. Give the folder of the app with --app.`);
  const json = readJsonFile(file);
  const main = typeof json === 'object' && json !== null ? (json as Record<string, unknown>)['main'] : undefined;
  if (typeof main !== 'string' || main === '') {
    throw new HostStartError('app', `${file}: "main" must name the built app, such as "dist/app.js" or "dist/functions/*.js".`);
  }
  const exact = resolve(folder, main);
  if (existsSync(exact) && statSync(exact).isFile()) return [exact];
  const found = /[*?{]/.test(main) ? matching(folder, main) : [];
  if (found.length === 0) throw new HostStartError('app', `${file}: "main" is "${main}", and no such file exists. Build the app first.`);
  return found;
}

function matching(folder: string, pattern: string): string[] {
  const expression = globExpression(pattern.replace(/^\.\//, ''));
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !path.includes(`${sep}node_modules${sep}`) && expression.test(relative(folder, path).split(sep).join('/')))
    .sort();
}

/** `*` and `?` stay inside one folder, `**` crosses folders, `{a,b}` chooses. */
function globExpression(pattern: string): RegExp {
  const source = pattern.replace(/\*\*\/|\*\*|\*|\?|\{[^{}]*\}|[^*?{]+|\{/g, (part) => {
    if (part === '**/') return '(?:.*/)?';
    if (part === '**') return '.*';
    if (part === '*') return '[^/]*';
    if (part === '?') return '[^/]';
    if (part.startsWith('{') && part.endsWith('}')) return `(?:${part.slice(1, -1).split(',').map(literal).join('|')})`;
    return literal(part);
  });
  return new RegExp(`^${source}$`);
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
