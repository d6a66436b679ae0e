// The four answers to "what should happen next?". An adapter translates every vendor error into one of them.
// Codes are stable kebab-case labels, listed with cause and cure in docs/errors.md.

/** Options of every error here: what caused it, kept for the log, never shown to a caller. */
interface Cause {
  cause?: unknown;
}

/** Will never work: do not retry. Crosses the activity boundary as a returned rejection. */
export class RejectedError extends Error {
  override readonly name = 'RejectedError';
  constructor(
    readonly code: string,
    message: string,
    options: Cause = {},
  ) {
    super(message, options);
  }
}

/** Might work later: the engine retries as the activity's contract says. */
export class TransientError extends Error {
  override readonly name = 'TransientError';
  constructor(
    readonly code: string,
    message: string,
    options: Cause = {},
  ) {
    super(message, options);
  }
}

/** The deployment is wrong; fails at start. `problems` lists everything that was found, not only the first. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(
    readonly problems: readonly string[],
    options: Cause = {},
  ) {
    super(`The configuration is not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`, options);
  }
}

/** One thing to mend. `file`, `line` and `column` (from 1) are set where the caller sent a file. */
export interface UserProblem {
  where: string;
  problem: string;
  mend?: string;
  file?: string;
  line?: number;
  column?: number;
}

/** The caller's mistake: becomes a problem document (RFC 9457) with this status; `detail` says what is wrong and how to mend it. */
export class UserError extends Error {
  override readonly name = 'UserError';
  constructor(
    readonly status: 400 | 401 | 403 | 404 | 409 | 413 | 415 | 422,
    readonly code: string,
    message: string,
    readonly problems: readonly UserProblem[] = [],
    options: Cause = {},
  ) {
    super(message, options);
  }
}
