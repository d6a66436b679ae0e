// How the command line talks to people: calm, aligned, colours only on a terminal; with --json one object for machines.
import pc from 'picocolors';

export interface Output {
  /** True when machines read: people's lines go to stderr then. */
  readonly json: boolean;
  readonly colours: boolean;
  /** A line for people. */
  line(text?: string): void;
  /** Name and value, aligned. */
  field(name: string, value: string): void;
  /** Rows under a header; columns are as wide as their widest cell. */
  table(header: readonly string[], rows: readonly (readonly string[])[]): void;
  /** The result for machines; printed only with --json, as one line. */
  result(value: unknown): void;
  paint: ReturnType<typeof pc.createColors>;
}

export function createOutput(options: { json: boolean; out: NodeJS.WriteStream; err: NodeJS.WriteStream }): Output {
  const stream = options.json ? options.err : options.out;
  const colours = stream.isTTY && !process.env['NO_COLOR'];
  const write = (text: string): void => void stream.write(`${harmless(text)}\n`);
  return {
    json: options.json,
    colours,
    paint: pc.createColors(colours),
    line: (text = '') => write(text),
    field: (name, value) => write(`  ${name.padEnd(14)} ${value}`),
    table: (header, rows) => {
      const all = [header, ...rows];
      const widths = header.map((_, column) => Math.max(...all.map((row) => width(row[column] ?? ''))));
      const paint = pc.createColors(colours);
      for (const [index, row] of all.entries()) {
        const cells = row.map((cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - width(cell))));
        const text = `  ${cells.join('  ').trimEnd()}`;
        write(index === 0 ? paint.dim(text) : text);
      }
    },
    result: (value) => {
      if (options.json) options.out.write(`${JSON.stringify(value)}\n`);
    },
  };
}

/**
 * Names of files and logs of components come from elsewhere: control characters in them could steer the terminal.
 * Line breaks, tabs and colours stay.
 */
function harmless(text: string): string {
  return text.replace(/\u001b(?!\[[0-9;]*m)|[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f]/g, '');
}

/** Characters on a terminal: colour codes take none. */
function width(text: string): number {
  return text.replace(/\u001b\[[0-9;]*m/g, '').length;
}

/** The colour of a state: good, bad, under way, or plain. */
export function paintState(output: Output, state: string): string {
  if (['succeeded', 'accepted', 'pass', 'ok', 'in-service'].includes(state)) return output.paint.green(state);
  if (['failed', 'refused', 'malformed', 'fail', 'failing', 'cancelled'].includes(state)) return output.paint.red(state);
  if (['running', 'changing', 'pending'].includes(state)) return output.paint.cyan(state);
  return state;
}

/** Seconds as people read them. */
export function seconds(value: number): string {
  if (value < 59.95) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
