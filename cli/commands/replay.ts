import type { LedgerEntry, Verdict } from '../../shared/contracts/events.ts';
import { type Command, textOption } from '../command.ts';
import { EXIT } from '../failure.ts';
import { whatOf } from '../event-lines.ts';
import { paintState } from '../output.ts';

/** Verdicts after which nothing was made of the event again. */
const HELD: ReadonlySet<string> = new Set(['refused', 'over-budget', 'loop', 'late', 'quarantined', 'malformed', 'ignored']);

/** Judges an event once more that was held back: what held it may be gone. */
export const replay: Command = {
  name: 'replay',
  args: ['<event>'],
  help: 'Judge an event once more that was held back (its id begins with e-; see events and why)',
  options: [{ flags: '--reason <text>', help: 'why', required: true }],
  async run(context, [event = ''], options) {
    const { output } = context;
    const api = await context.api();
    const answer = await api.send<{ before: Verdict; entry: LedgerEntry }>('POST', `/events/${encodeURIComponent(event)}/replay`, {
      reason: textOption(options, 'reason'),
    });
    const { before, entry } = answer;
    output.line(`${whatOf(entry)}: ${before.kind} (${before.rule}) → ${paintState(output, entry.verdict.kind)} (${entry.verdict.rule})`);
    output.line(`  ${entry.verdict.reason}`);
    const isHeld = HELD.has(entry.verdict.kind);
    output.line(`  ${isHeld ? 'what to do' : 'follow it with'}: sluice why ${entry.entryId}`);
    output.result(answer);
    return isHeld ? EXIT.failed : EXIT.done;
  },
};
