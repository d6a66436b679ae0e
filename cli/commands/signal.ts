import { randomUUID } from 'node:crypto';
import type { LedgerEntry } from '../../shared/contracts/events.ts';
import { type Command, type Options, textOption } from '../command.ts';
import { CommandError, EXIT } from '../failure.ts';
import { paintState } from '../output.ts';

/** What each kind needs and may have beside it. */
const KINDS: Readonly<Record<string, { needs: readonly string[]; may: readonly string[] }>> = {
  http: { needs: [], may: ['reason'] },
  code: { needs: ['repository', 'commit'], may: ['ref'] },
  monitor: { needs: ['monitor'], may: ['metric', 'value', 'limit', 'detail'] },
};
const NUMBERS = new Set(['value', 'limit']);

/** Sends an event without a file: a wish, a push of training code, a monitor's finding. */
export const signal: Command = {
  name: 'signal',
  args: ['<kind>'],
  help: 'Send an event that asks for a training: http (a wish), code (a push) or monitor (a finding)',
  options: [
    { flags: '--pipeline <name>', help: 'pipeline that it is for', required: true },
    { flags: '--id <id>', help: 'the same id is the same event, however often it is sent; a new one without it' },
    { flags: '--reason <text>', help: 'http: why' },
    { flags: '--repository <name>', help: 'code: where the training code is' },
    { flags: '--commit <id>', help: 'code: the commit that was pushed' },
    { flags: '--ref <name>', help: 'code: branch or tag' },
    { flags: '--monitor <name>', help: 'monitor: who watches' },
    { flags: '--metric <name>', help: 'monitor: what was measured' },
    { flags: '--value <number>', help: 'monitor: what was found' },
    { flags: '--limit <number>', help: 'monitor: what is allowed' },
    { flags: '--detail <text>', help: 'monitor: in words' },
  ],
  async run(context, [kind = ''], options) {
    const { output } = context;
    const body = {
      kind,
      id: textOption(options, 'id') ?? randomUUID(),
      pipeline: textOption(options, 'pipeline'),
      ...detailsOf(kind, options),
    };
    const answer = await (await context.api()).send<{ entry: LedgerEntry }>('POST', '/signals', body);
    const { entryId, verdict } = answer.entry;
    output.line(`Event ${output.paint.bold(entryId)}: ${paintState(output, verdict.kind)} (${verdict.rule})`);
    output.line(`  ${verdict.reason}`);
    output.line(`  follow it with: sluice why ${entryId}`);
    output.result(answer);
    return verdict.kind === 'accepted' ? EXIT.done : EXIT.failed;
  },
};

function detailsOf(kind: string, options: Options): Record<string, string | number> {
  const known = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  if (!known)
    throw new CommandError(EXIT.usage, `"${kind}" is no kind of event that a caller sends`, `send ${Object.keys(KINDS).join(', ')}`);
  const missing = known.needs.filter((name) => textOption(options, name) === undefined);
  if (missing.length > 0) throw new CommandError(EXIT.usage, `${kind} needs ${missing.map((name) => `--${name}`).join(' and ')}`);
  const all = Object.values(KINDS).flatMap(({ needs, may }) => [...needs, ...may]);
  const odd = all.find((name) => textOption(options, name) !== undefined && ![...known.needs, ...known.may].includes(name));
  if (odd !== undefined) throw new CommandError(EXIT.usage, `--${odd} says nothing of ${kind}`);
  const given = [...known.needs, ...known.may].flatMap((name) => {
    const text = textOption(options, name);
    if (text === undefined) return [];
    if (NUMBERS.has(name) && (text.trim() === '' || !Number.isFinite(Number(text))))
      throw new CommandError(EXIT.usage, `--${name} ${text} is no number`);
    return [[name, NUMBERS.has(name) ? Number(text) : text] as const];
  });
  return Object.fromEntries(given);
}
