// A command is data plus a handler; main.ts turns the data into the parser and the help.
import type { Context } from './context.ts';

export interface CommandOption {
  flags: string;
  help: string;
  /** Text for an option with a value when it is not given. */
  fallback?: string;
  required?: boolean;
}

/** Options as they were given; an option that may be repeated is a list. */
export type Options = Record<string, string | boolean | string[] | undefined>;

export interface Command {
  /** Words of the command; noun verb for stored things, a bare verb for deeds. */
  name: string;
  /** Arguments as commander writes them: `<needed>`, `[optional]`. */
  args: string[];
  help: string;
  options?: CommandOption[];
  /** Returns the exit code. */
  run(context: Context, args: string[], options: Options): Promise<number>;
}

/** An option with a value, or undefined. */
export function textOption(options: Options, name: string): string | undefined {
  const value = options[name];
  return typeof value === 'string' ? value : undefined;
}

/** All values of an option that may be repeated. */
export function listOption(options: Options, name: string): string[] {
  const value = options[name];
  return Array.isArray(value) ? value : typeof value === 'string' ? [value] : [];
}
