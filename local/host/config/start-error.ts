// The one error that ends a start: it carries which exit code the process answers with.
// Messages say what, where and what to do; they are printed without a stack.

/** Why a start failed: the app or its settings, the command line, a taken port, or a data folder that another host holds. */
export type StartFailure = 'app' | 'usage' | 'port' | 'data';

/** Exit codes of the process by kind of failure; 0 = stopped as asked. */
export const EXIT_CODES: Readonly<Record<StartFailure, number>> = { app: 1, usage: 2, port: 3, data: 4 };

/** Ends a start. `kind` chooses the exit code. */
export class HostStartError extends Error {
  override readonly name = 'HostStartError';
  readonly kind: StartFailure;

  constructor(kind: StartFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
