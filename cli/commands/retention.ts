import type { Retained } from '../../shared/contracts/http-api.ts';
import { type Command, textOption } from '../command.ts';
import { EXIT } from '../failure.ts';

/** Rids tables of what no version within their retention needs; the timer does the same once a day. */
export const retentionRun: Command = {
  name: 'retention run',
  args: ['[pipeline]'],
  help: 'Remove files and log entries that no version within the retention of a table needs; all pipelines without a name',
  options: [
    { flags: '--reason <text>', help: 'why', required: true },
    { flags: '--dry-run', help: 'only say what would be removed' },
  ],
  async run(context, [pipeline], options) {
    const { output } = context;
    const body = { reason: textOption(options, 'reason'), dryRun: options['dryRun'] === true, ...(pipeline ? { pipeline } : {}) };
    const answer = await (await context.api()).send<Retained>('POST', '/retention', body);
    const { tables, failed, complete, dryRun } = answer;
    if (tables.length === 0 && failed.length === 0) output.line('There are no tables yet');
    else {
      output.table(
        ['table', 'kept for', dryRun ? 'files to go' : 'files removed', 'bytes', 'of the log'],
        tables.map(({ path, retention, files, bytes, logFiles }) => [path, retention, String(files), String(bytes), String(logFiles)]),
      );
    }
    for (const { pipeline: name, code, message } of failed) output.line(`${output.paint.red(name)}: ${code}: ${message}`);
    if (!complete) output.line('There are more pipelines than one request looks through; the timer goes through all of them');
    output.result(answer);
    return failed.length > 0 ? EXIT.failed : EXIT.done;
  },
};
