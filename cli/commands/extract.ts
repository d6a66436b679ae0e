import { randomUUID } from 'node:crypto';
import type { LedgerEntry } from '../../shared/contracts/events.ts';
import { type Command, textOption } from '../command.ts';
import { EXIT } from '../failure.ts';
import { paintState } from '../output.ts';
import { watchRun } from '../watch-run.ts';

/** Brings data in now, by the data pipeline that sluice.yaml names. */
export const extract: Command = {
  name: 'extract',
  args: ['<pipeline>'],
  help: 'Start the data pipeline now that brings data into the landing folder (schedule.extract)',
  options: [
    { flags: '--reason <text>', help: 'why', required: true },
    { flags: '--request <key>', help: 'idempotency key: the same key is the same request' },
    { flags: '--watch', help: 'follow it until it has ended' },
  ],
  async run(context, [pipeline = ''], options) {
    const { output } = context;
    const api = await context.api();
    const key = textOption(options, 'request') ?? randomUUID();
    const body = { reason: textOption(options, 'reason') };
    const path = `/pipelines/${encodeURIComponent(pipeline)}/extract`;
    const answer = await api.send<{ entry: LedgerEntry; runId: string | null }>('POST', path, body, { 'Idempotency-Key': key });
    const { verdict, entryId } = answer.entry;
    output.line(`${paintState(output, verdict.kind)}  ${verdict.reason}`);
    if (answer.runId === null || verdict.kind !== 'accepted') {
      output.line(`  what to do: sluice why ${entryId}`);
      output.result(answer);
      return EXIT.failed;
    }
    if (options['watch']) {
      const { run, exitCode } = await watchRun(api, output, answer.runId);
      output.result(run);
      return exitCode;
    }
    output.line(`  follow it with: sluice runs show ${answer.runId}`);
    output.result(answer);
    return EXIT.done;
  },
};
