import type { Reconciled } from '../../shared/contracts/http-api.ts';
import { type Command, textOption } from '../command.ts';
import { CommandError, EXIT } from '../failure.ts';

/** Looks for files whose event was lost; the timer does the same now and then. */
export const reconcile: Command = {
  name: 'reconcile',
  args: [],
  help: 'Compare the lake with the ledger now, and judge files whose event was lost',
  options: [
    { flags: '--reason <text>', help: 'why', required: true },
    { flags: '--grace <seconds>', help: 'leave files younger than this: their event may be on its way', fallback: '60' },
  ],
  async run(context, _args, options) {
    const { output } = context;
    const grace = Number(textOption(options, 'grace'));
    if (!Number.isInteger(grace) || grace < 0)
      throw new CommandError(EXIT.usage, `--grace ${textOption(options, 'grace')} is no number of seconds`);
    const answer = await (
      await context.api()
    ).send<Reconciled>('POST', '/reconcile', { reason: textOption(options, 'reason'), graceSeconds: grace });
    const { complete, listed, lost, found } = answer;
    output.line(
      `${listed} files compared with the ledger, ${lost === 0 ? 'no event was lost' : `${lost} events had been lost and are judged now`}`,
    );
    for (const entry of found.slice(0, 20)) output.line(`  sluice why ${entry}`);
    if (!complete) output.line('  The lake has more files than one request compares; the timer compares the others');
    output.result(answer);
    return EXIT.done;
  },
};
