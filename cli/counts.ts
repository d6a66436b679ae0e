// Numbers as people type and read them.
import { type Options, textOption } from './command.ts';
import { CommandError, EXIT } from './failure.ts';

/** `1 row`, `2 rows`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** An option that is a whole number within bounds; `fallback` where it is not given. */
export function countOption(
  options: Options,
  name: string,
  { least, most, fallback }: { least: number; most: number; fallback: number },
): number {
  const text = textOption(options, name) ?? String(fallback);
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= least && count <= most) return count;
  throw new CommandError(EXIT.usage, `--${name} ${text} is out of bounds`, `give a whole number from ${least} to ${most}`);
}
