// `${{inputs.x}}`, `${{outputs.y}}`, `${{search_space.z}}` in a command, and `$[[…]]` around what an optional input brings.
// Values go in as they are, as text: a shell reads the command afterwards.
const REFERENCE = /\$\{\{\s*([a-z_]+)\.([A-Za-z0-9_.-]+)\s*\}\}/g;
const OPTIONAL = /\$\[\[((?:[^\]]|\](?!\]))*)\]\]/g;

/** What a command may refer to. */
export interface Bindings {
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
  readonly search_space: Readonly<Record<string, string>>;
}

type Group = keyof Bindings;
const GROUPS: readonly string[] = ['inputs', 'outputs', 'search_space'] satisfies Group[];

/** References of a command that nothing is bound to, e.g. `inputs.data`; those inside `$[[…]]` may be missing. */
export function unbound(command: string, known: Readonly<Record<Group, readonly string[]>>): string[] {
  return [...command.replace(OPTIONAL, '').matchAll(REFERENCE)]
    .map(([, group = '', name = '']) => ({ group, name }))
    .filter(({ group, name }) => !GROUPS.includes(group) || !known[group as Group].includes(name))
    .map(({ group, name }) => `${group}.${name}`);
}

/** The command with all values; a part in `$[[…]]` that refers to something missing is left out. */
export function fill(command: string, bindings: Bindings): string {
  const valueOf = (group: string, name: string): string | undefined => {
    const values = GROUPS.includes(group) ? bindings[group as Group] : {};
    return Object.hasOwn(values, name) ? values[name] : undefined;
  };
  const replace = (text: string): string => text.replace(REFERENCE, (whole, group: string, name: string) => valueOf(group, name) ?? whole);
  const required = command.replace(OPTIONAL, (_, part: string) => {
    const complete = [...part.matchAll(REFERENCE)].every(([, group = '', name = '']) => valueOf(group, name) !== undefined);
    return complete ? part : '';
  });
  return replace(required);
}

/** A path as one word of a shell. */
export const shellWord = (path: string): string => (/^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`);
