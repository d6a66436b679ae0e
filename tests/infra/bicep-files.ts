// What the tests of infra/azure share: the source of every Bicep file, and the settings blocks of the Functions app.
// Text only, so these checks need no compiler.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const AZURE = join(import.meta.dirname, '../../infra/azure');

export interface BicepFile {
  /** Path below infra/azure. */
  name: string;
  /** Without comments; strings are whole. */
  code: string;
}

export function bicepFiles(): BicepFile[] {
  const names = readdirSync(AZURE, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.bicep'));
  return names.sort().map((name) => ({ name, code: withoutComments(readFileSync(join(AZURE, name), 'utf8')) }));
}

export function bicepFile(name: string): BicepFile {
  const found = bicepFiles().find((file) => file.name === name);
  if (!found) throw new Error(`infra/azure/${name} does not exist`);
  return found;
}

/** Every resource of the given type that is made, also in loops and under conditions: its body, braces balanced. */
export function resourcesOf(type: string, files: readonly BicepFile[]): { file: string; body: string }[] {
  const found: { file: string; body: string }[] = [];
  for (const { name, code } of files) {
    for (const match of code.matchAll(
      new RegExp(`^resource \\w+ '${type.replaceAll('.', '\\.')}@[^']+' = (?:if \\([^\\n]*\\) )?(?:\\[\\s*for [^:]+: )?\\{`, 'gm'),
    )) {
      found.push({ file: name, body: balanced(code, match.index + match[0].length - 1) });
    }
  }
  return found;
}

/** Names of app settings by the variable that holds them, e.g. `coreSettings` → [`Lake__blobServiceUri`, …]. */
export function appSettings(): Record<string, string[]> {
  const { code } = bicepFile('modules/app/function-app.bicep');
  const blocks = [...code.matchAll(/^var (\w+Settings) = /gm)];
  return Object.fromEntries(
    blocks.map((block, index) => {
      const end = blocks[index + 1]?.index ?? code.indexOf('\nresource ', block.index);
      const text = code.slice(block.index, end).replaceAll(/'(?:\\.|[^'\\])*'/g, "''");
      // A setting is a key that begins with a capital; properties that are read (`aws!.region`) are not keys.
      return [block[1] ?? '', [...text.matchAll(/(?<![\w.])([A-Z]\w*):/g)].map((match) => match[1] ?? '')];
    }),
  );
}

function balanced(code: string, open: number): string {
  let depth = 0;
  for (let at = open; at < code.length; at += 1) {
    if (code[at] === '{') depth += 1;
    if (code[at] === '}' && (depth -= 1) === 0) return code.slice(open, at + 1);
  }
  throw new Error('a resource is not closed');
}

/** `//` inside a string (an address) is no comment. */
function withoutComments(text: string): string {
  return text.replaceAll(/'(?:\\.|[^'\\\n])*'|\/\/[^\n]*/g, (match) => (match.startsWith('//') ? '' : match));
}
