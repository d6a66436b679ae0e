import { type LedgerEntry, subjectOf } from '../../shared/contracts/events.ts';
import type { Command } from '../command.ts';
import { textOption } from '../command.ts';
import { EXIT } from '../failure.ts';
import { paintState } from '../output.ts';

export const events: Command = {
  name: 'events',
  args: [],
  help: 'List events and their verdicts, newest first',
  options: [{ flags: '--limit <n>', help: 'at most this many', fallback: '20' }],
  async run(context, _args, options) {
    const { output } = context;
    const page = await (
      await context.api()
    ).get<{ items: LedgerEntry[] }>(`/events?limit=${encodeURIComponent(textOption(options, 'limit') ?? '20')}`);
    if (page.items.length === 0) output.line('No event has arrived yet');
    else
      output.table(
        ['received', 'verdict', 'rule', 'deliveries', 'path'],
        page.items.map((entry) => [
          entry.receivedAt.slice(0, 19),
          paintState(output, entry.verdict.kind),
          entry.verdict.rule,
          String(entry.deliveries),
          entry.event ? subjectOf(entry.event) : '(malformed)',
        ]),
      );
    output.result(page);
    return EXIT.done;
  },
};
