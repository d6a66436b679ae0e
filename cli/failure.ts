// Exit codes that a script can use, and the one way in which a command fails.
/** 0 done · 1 the thing asked for failed · 2 wrong use or input · 3 not allowed · 4 not found · 5 Sluice cannot be reached · 6 the run ended badly. */
export const EXIT = { done: 0, failed: 1, usage: 2, forbidden: 3, notFound: 4, unreachable: 5, runFailed: 6 } as const;

/** What happened, why, and what to type next. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  constructor(
    readonly exitCode: number,
    message: string,
    readonly mend: string | null = null,
    readonly code = 'command-failed',
  ) {
    super(message);
  }
}
