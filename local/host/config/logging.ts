// The host's log: one line per event, as text for people or JSON for programs, filtered by host.json's `logging.logLevel`.
// Categories are those of the real host, so that the same filters work: `Function.<name>.User`, `Function.<name>`, `Host.…`.
import type { LogEntry, LogLevel } from '../core/log.ts';
import type { LevelName } from './host-json.ts';

/** A log entry with the part of the host that speaks, such as `Host.Triggers.DurableTask`; default `Host.General`. */
export interface HostLogEntry extends LogEntry {
  readonly source?: string;
}

/** Takes entries of the host and, as a `LogSink`, of the app. */
export type HostLog = (entry: HostLogEntry) => void;

/** How lines look: `text` is `time LEVEL message`, `json` one object per line. */
export type LogFormat = 'text' | 'json';

const SEVERITY: Readonly<Record<string, number>> = { trace: 0, debug: 1, information: 2, warning: 3, error: 4, critical: 5, none: 6 };
const SHORT: Readonly<Record<LogLevel, string>> = {
  trace: 'TRACE',
  debug: 'DEBUG',
  information: 'INFO ',
  warning: 'WARN ',
  error: 'ERROR',
  critical: 'FATAL',
};

/** Options of `createLog`. */
export interface LogOptions {
  readonly format: LogFormat;
  readonly levels: ReadonlyMap<string, LevelName>;
  /** Takes one finished line without a line end. */
  readonly write: (line: string) => void;
  /** Time stamp of a line; the machine's clock when absent. */
  readonly now?: () => Date;
}

/** A log that filters, formats and hands over finished lines. Never throws. */
export function createLog(options: LogOptions): HostLog {
  const least = createFilter(options.levels);
  const now = options.now ?? (() => new Date());
  return (entry) => {
    const category = categoryOf(entry);
    if ((SEVERITY[entry.level] ?? 2) < least(category)) return;
    options.write(options.format === 'json' ? jsonLine(entry, category, now()) : textLine(entry, now()));
  };
}

/** The category that filters see. */
export function categoryOf(entry: HostLogEntry): string {
  if (entry.functionName !== undefined) return `Function.${entry.functionName}${entry.category === 'user' ? '.User' : ''}`;
  return entry.source ?? (entry.category === 'user' ? 'Function' : 'Host.General');
}

/** Least severity written for a category: the longest filter that the category begins with decides (case does not count). */
function createFilter(levels: ReadonlyMap<string, LevelName>): (category: string) => number {
  const known = new Map<string, number>();
  const filters = [...levels].map(([prefix, level]) => ({ prefix: prefix.toLowerCase(), severity: SEVERITY[level.toLowerCase()] ?? 2 }));
  filters.sort((one, other) => other.prefix.length - one.prefix.length);
  const fallback = filters.find(({ prefix }) => prefix === 'default')?.severity ?? 2;
  return (category) => {
    const found = known.get(category);
    if (found !== undefined) return found;
    const lower = category.toLowerCase();
    const match = filters.find(({ prefix }) => prefix !== 'default' && (lower === prefix || lower.startsWith(`${prefix}.`)));
    const severity = match?.severity ?? fallback;
    known.set(category, severity);
    return severity;
  };
}

function textLine(entry: HostLogEntry, at: Date): string {
  const who = entry.functionName === undefined ? '' : `[${entry.functionName}] `;
  return `${at.toISOString()} ${SHORT[entry.level]} ${who}${entry.message.replace(/\r?\n/g, '\n    ')}`;
}

function jsonLine(entry: HostLogEntry, category: string, at: Date): string {
  const { functionName, invocationId } = entry;
  return JSON.stringify({ time: at.toISOString(), level: entry.level, category, message: entry.message, functionName, invocationId });
}
