import type { BreakerView } from '../../shared/contracts/http-api.ts';
import type { Freeze } from '../../shared/contracts/guards.ts';
import { type Command, type Options, textOption } from '../command.ts';
import { CommandError, EXIT } from '../failure.ts';
import { instantOf, short } from '../times.ts';

const REASON = { flags: '--reason <text>', help: 'why; it is kept and shown', required: true };
const ALL = { flags: '--all', help: 'every pipeline of this Sluice' };

export const pipelinesFreeze: Command = {
  name: 'pipelines freeze',
  args: ['[name]'],
  help: 'Freeze a pipeline: its events are kept with a verdict and start nothing',
  options: [
    ALL,
    REASON,
    { flags: '--until <time>', help: 'it ends by itself then: 2h, or 2026-11-23T06:00Z; when somebody ends it without it' },
    { flags: '--maintenance', help: 'say that it is planned work' },
  ],
  async run(context, [name], options) {
    const { output } = context;
    const which = whichOf(name, options);
    const until = textOption(options, 'until');
    const body = {
      kind: options['maintenance'] ? 'maintenance' : 'frozen',
      reason: textOption(options, 'reason'),
      until: until === undefined ? null : instantOf('--until', until, 'ahead'),
    };
    const path = which === null ? '/freezes' : `/pipelines/${encodeURIComponent(which)}/freeze`;
    const freeze = await (await context.api()).send<Freeze>('POST', path, body);
    const end = freeze.until === null ? 'until somebody ends it' : `until ${short(freeze.until)}`;
    output.line(`Frozen: ${output.paint.bold(which ?? 'all pipelines')}, ${end}`);
    output.line('  Events that come are kept; replay them afterwards: sluice replay EVENT --reason TEXT');
    output.result(freeze);
    return EXIT.done;
  },
};

export const pipelinesUnfreeze: Command = {
  name: 'pipelines unfreeze',
  args: ['[name]'],
  help: 'End the freeze of a pipeline',
  options: [ALL, REASON],
  async run(context, [name], options) {
    const { output } = context;
    const which = whichOf(name, options);
    const path = which === null ? '/freezes/end' : `/pipelines/${encodeURIComponent(which)}/unfreeze`;
    const answer = await (await context.api()).send<{ ended: Freeze | null }>('POST', path, { reason: textOption(options, 'reason') });
    const what = which ?? 'all pipelines';
    if (answer.ended === null) output.line(`Nothing had frozen ${what}${which === null ? '; freezes of single pipelines stay' : ''}`);
    else {
      output.line(`No longer frozen: ${output.paint.bold(what)} (since ${short(answer.ended.since)} by ${answer.ended.by})`);
      const query = which === null ? '' : ` --pipeline ${which}`;
      output.line(`  what was held: sluice events --verdict refused --since ${short(answer.ended.since)}${query}`);
    }
    output.result(answer);
    return EXIT.done;
  },
};

export const pipelinesBreaker: Command = {
  name: 'pipelines breaker',
  args: [],
  help: 'List the breakers: which are open, why, and what they counted lately',
  async run(context) {
    const { output } = context;
    const page = await (await context.api()).get<{ items: BreakerView[] }>('/breakers');
    if (page.items.length === 0) output.line('No breaker has counted anything: no pipeline with limits has worked yet');
    else
      output.table(
        ['pipeline', 'breaker', 'datasets (1 h)', 'trainings (24 h)', 'since', 'why'],
        page.items.map(({ pipeline, state, opened, closed, datasetsLastHour, trainingsLastDay }) => [
          pipeline,
          state === 'open' ? output.paint.red('open') : 'closed',
          String(datasetsLastHour),
          String(trainingsLastDay),
          timeOf((state === 'open' ? opened : closed)?.at),
          state === 'open' ? (opened?.reason ?? '') : closed ? `closed by ${closed.by}: ${closed.reason}` : '',
        ]),
      );
    output.result(page);
    return EXIT.done;
  },
};

export const pipelinesCloseBreaker: Command = {
  name: 'pipelines close-breaker',
  args: ['<name>'],
  help: 'Close the open breaker of a pipeline; counting begins anew',
  options: [REASON],
  async run(context, [name = ''], options) {
    const { output } = context;
    const breaker = await (
      await context.api()
    ).send<BreakerView>('POST', `/breakers/${encodeURIComponent(name)}/close`, { reason: textOption(options, 'reason') });
    output.line(`The breaker of ${output.paint.bold(name)} is closed; it was opened by ${breaker.opened?.reason ?? 'nobody knows what'}`);
    output.line(`  what was held: sluice events --verdict over-budget --pipeline ${name}; then sluice replay EVENT --reason TEXT`);
    output.result(breaker);
    return EXIT.done;
  },
};

/** `-` for a breaker that nobody opened or closed yet. */
function timeOf(instant: string | undefined): string {
  return instant === undefined ? '-' : short(instant);
}

/** The pipeline that is meant; null for all of them. Never both, never neither. */
function whichOf(name: string | undefined, options: Options): string | null {
  const all = options['all'] === true;
  if (all === (name !== undefined)) throw new CommandError(EXIT.usage, 'Which pipeline?', 'name one, or say --all');
  return all ? null : (name ?? null);
}
