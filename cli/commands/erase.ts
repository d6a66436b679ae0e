import { randomUUID } from 'node:crypto';
import type { ErasureRecord } from '../../shared/contracts/erasure.ts';
import { ask } from '../ask.ts';
import { type Command, textOption } from '../command.ts';
import { countOption } from '../counts.ts';
import { CommandError, EXIT } from '../failure.ts';
import type { Output } from '../output.ts';
import { refuseUnknown } from '../pipeline-names.ts';
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
    printRecord(output, record);
    if (record.retrain === 'pending') {
      output.line('  Train again? Models were trained on rows that are gone:');
      output.line(`  ${output.paint.cyan('→')} sluice train ${pipeline} --reason "after ${record.id}"`);
    }
    output.result(record);
    return EXIT.done;
  },
};

/** The records of what was erased; none of them holds a value. */
export const erasures: Command = {
  name: 'erasures',
  args: ['<pipeline>'],
  help: 'List what was erased from a pipeline: when, by whom, why and where, newest first',
  options: [{ flags: '--limit <n>', help: 'at most this many', fallback: '20' }],
  async run(context, [pipeline = ''], options) {
    const { output } = context;
    const api = await context.api();
    const limit = countOption(options, 'limit', { least: 1, most: 100, fallback: 20 });
    const page = await api.get<{ items: ErasureRecord[] }>(`/pipelines/${encodeURIComponent(pipeline)}/erasures?limit=${limit}`);
    if (page.items.length === 0) {
      await refuseUnknown(api, pipeline);
      output.line(`Nothing was erased from ${pipeline}`);
    } else
      output.table(
        ['erasure', 'when', 'column', 'rows in all places', 'by', 'why'],
        page.items.map((one) => [one.id, short(one.at), one.column, String(rowsOf(one)), one.by, one.reason]),
      );
    output.result(page);
    return EXIT.done;
  },
};

/** Rows that were found; places whose files were removed or made again whole count none. */
function rowsOf({ places }: ErasureRecord): number {
  return places.reduce((sum, { rows }) => sum + (rows ?? 0), 0);
}

function printRecord(output: Output, record: ErasureRecord): void {
  const { id, pipeline, column, by, at, places, notCovered } = record;
  const said = rowsOf(record) === 0 ? `no row of ${pipeline} has this ${column}` : `rows with this ${column} are gone`;
  output.line(`${output.paint.bold(id)}  ${said}; asked by ${by} at ${short(at)}`);
  output.table(
    ['place', 'rows', 'files', 'from version', 'note', 'path'],
    places.map(({ place, rows, files, version, note, path }) => [
      place,
      rows === null ? '-' : String(rows),
      String(files),
      version === null ? '-' : `v${version}`,
      note,
      path,
    ]),
  );
  for (const place of notCovered) output.field('not covered', place);
}
