// A local stack that did not come up, as a sentence with what to do.
import { PortTakenError } from '../local/stack/ports.ts';
import { ProcessFailedError } from '../local/stack/processes.ts';
import { PythonMissingError } from '../local/stack/python.ts';
import { CommandError, EXIT } from './failure.ts';

export function stackFailure(error: unknown): never {
  if (error instanceof PortTakenError) throw new CommandError(EXIT.failed, error.message, null, 'port-taken');
  if (error instanceof PythonMissingError) throw new CommandError(EXIT.failed, error.message, null, 'python-missing');
  if (error instanceof ProcessFailedError) throw new CommandError(EXIT.failed, error.message, null, 'process-failed');
  throw error;
}
