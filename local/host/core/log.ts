// Where everything that the host and the app say goes: one sink, structured, with the levels of `context.log`.
// The sink decides about format and threshold; nothing else in the host writes to the console.

export type LogLevel = 'trace' | 'debug' | 'information' | 'warning' | 'error' | 'critical';

/** One thing said. `category` is 'user' for the app's own words, 'system' for the host's. */
export interface LogEntry {
  level: LogLevel;
  category: 'user' | 'system';
  message: string;
  functionName?: string;
  invocationId?: string;
}

export type LogSink = (entry: LogEntry) => void;

/** Drops everything; the default of the test host. */
export const silent: LogSink = () => undefined;
