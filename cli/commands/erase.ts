import { randomUUID } from 'node:crypto';
import type { ErasureRecord } from '../../shared/contracts/erasure.ts';
import { ask } from '../ask.ts';
import { type Command, textOption } from '../command.ts';
import { CommandError, EXIT } from '../failure.ts';
import { short } from '../times.ts';

/** Removes a person's rows for good, after the name of the pipeline was typed. */
export const erase: Command = {
  name: 'erase',
  args: ['<column=value>'],
  help: 'Remove the rows of a person from every table and file of a pipeline, for good (approver)',
  options: [
    { flags: '--pipeline <name>', help: 'pipeline whose tables hold the rows', required: true },
    { flags: '--reason <text>', help: 'why; it is kept in the record, the value is not', required: true },
    { flags: '--request <key>', help: 'the key of a request that was cut off: it goes on, and is done once' },
    { flags: '--yes', help: 'do not ask for the name of the pipeline' },
  ],
  async run(context, [who = ''], options) {
    const { output } = context;
    const at = who.indexOf('=');
    if (at < 1 || at === who.length - 1) throw new CommandError(EXIT.usage, 'Whose rows?', 'give COLUMN=VALUE, e.g. patient_id=4711');
    const pipeline = textOption(options, 'pipeline') ?? '';
    if (!options['yes']) {
      const typed = await ask(
        `This cannot be undone. Type the name of the pipeline to erase rows of ${pipeline}:`,
        'say --yes to do it unasked',
      );
      if (typed !== pipeline) throw new CommandError(EXIT.failed, 'That is another name; nothing was erased');
    }
    const request = textOption(options, 'request') ?? randomUUID();
    output.line(output.paint.dim(`Request ${request}; if the answer is cut off, repeat the command with --request ${request}`));
    const record = await (
      await context.api()
    ).send<ErasureRecord>(
      'POST',
      `/pipelines/${encodeURIComponent(pipeline)}/erase`,
      { column: who.slice(0, at), value: who.slice(at + 1), reason: textOption(options, 'reason') },
      { 'Idempotency-Key': request },
    );
    output.line(`${output.paint.bold(record.id)}  rows with this ${record.column} are gone, by ${record.by} at ${short(record.at)}`);
    output.table(
      ['place', 'rows', 'files', 'from version', 'note', 'path'],
      record.places.map(({ place, rows, files, version, note, path }) => [
        place,
        rows === null ? '-' : String(rows),
        String(files),
        version === null ? '-' : `v${version}`,
        note,
        path,
      ]),
    );
    for (const place of record.notCovered) output.field('not covered', place);
    if (record.retrain === 'pending') {
      output.line('  Train again? Models were trained on rows that are gone:');
      output.line(`  ${output.paint.cyan('→')} sluice train ${pipeline} --reason "after ${record.id}"`);
    }
    output.result(record);
    return EXIT.done;
  },
};
