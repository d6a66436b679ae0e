import type { LedgerEntry } from '../../shared/contracts/events.ts';
import type { Api } from '../api.ts';
import { type Command, type Options, textOption } from '../command.ts';
import type { Context } from '../context.ts';
import { counted } from '../counts.ts';
import { cameBy, whatOf } from '../event-lines.ts';
import { CommandError, EXIT } from '../failure.ts';
import { followEvents, newestPage } from '../follow-events.ts';
import { type Output, paintState } from '../output.ts';
import { refuseUnknown } from '../pipeline-names.ts';
import { instantOf, short } from '../times.ts';

export const events: Command = {
  name: 'events',
  args: [],
  help: 'List events and their verdicts, newest first',
  options: [
    { flags: '--pipeline <name>', help: 'only of this pipeline' },
    { flags: '--verdict <kind>', help: 'only with this verdict: accepted, duplicate, incomplete, late, refused, …' },
    { flags: '--since <time>', help: 'received since then: 2h, or 2026-11-23T06:00Z' },
    { flags: '--limit <n>', help: 'at most this many', fallback: '20' },
    { flags: '--all', help: 'also commits of Sluice’s own, and of others that changed no rows' },
    { flags: '--follow', help: 'go on with those that come, until Ctrl-C; with --json one object a line' },
  ],
  async run(context, _args, options) {
    const api = await context.api();
    return options['follow'] ? await follow(context, api, options) : await list(context, api, options);
  },
};

async function list({ output }: Context, api: Api, options: Options): Promise<number> {
  const filter = filterOf(options);
  const page = await newestPage(api, filter, limitOf(options), keepOf(options));
  const pipeline = textOption(options, 'pipeline');
  if (page.items.length === 0 && page.hidden === 0 && pipeline !== undefined) await refuseUnknown(api, pipeline);
  if (page.items.length === 0) output.line(filter.size === 0 && page.hidden === 0 ? 'No event has arrived yet' : 'No event fits');
  else
    output.table(
      ['received', 'verdict', 'rule', 'pipeline', 'what', 'how'],
      page.items.map((entry) => [
        short(entry.receivedAt),
        paintState(output, entry.verdict.kind),
        entry.verdict.rule,
        entry.pipeline ?? '-',
        whatOf(entry),
        cameBy(entry),
      ]),
    );
  if (page.hidden > 0)
    output.line(
      output.paint.dim(
        `  ${counted(page.hidden, 'commit')} that said nothing new ${page.hidden === 1 ? 'is' : 'are'} hidden; --all shows them`,
      ),
    );
  output.result(page);
  return EXIT.done;
}

/** Shows the newest, then what comes; ends well when it is stopped. */
async function follow({ output }: Context, api: Api, options: Options): Promise<number> {
  const stop = new AbortController();
  const stopped = new Promise<null>((resolve) => {
    const end = (): void => {
      stop.abort();
      resolve(null);
    };
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, end);
    // Nobody reads any more.
    process.stdout.once('error', end);
  });
  const coming = followEvents(api, { filter: filterOf(options), first: limitOf(options), keep: keepOf(options), signal: stop.signal });
  for (;;) {
    const step = await Promise.race([coming.next(), stopped]);
    if (step === null || step.done) return EXIT.done;
    output.line(lineOf(output, step.value));
    output.result(step.value);
  }
}

function lineOf(output: Output, entry: LedgerEntry): string {
  const { verdict, pipeline, receivedAt } = entry;
  const state = paintState(output, verdict.kind) + ' '.repeat(Math.max(0, 11 - verdict.kind.length));
  const how = cameBy(entry);
  return `${output.paint.dim(short(receivedAt))}  ${state}  ${verdict.rule.padEnd(18)}  ${(pipeline ?? '-').padEnd(14)}  ${whatOf(entry)}${how === '' ? '' : `  (${how})`}`;
}

/** Each dataset makes such lines, and none is news: Sluice wrote the commit itself, or no row changed. */
function keepOf(options: Options): (entry: LedgerEntry) => boolean {
  const silent = new Set(options['all'] ? [] : ['own-commit', 'no-rows-changed']);
  return ({ verdict }) => verdict.kind !== 'ignored' || !silent.has(verdict.rule);
}

function filterOf(options: Options): URLSearchParams {
  const filter = new URLSearchParams();
  for (const name of ['pipeline', 'verdict']) {
    const value = textOption(options, name);
    if (value) filter.set(name, value);
  }
  const since = textOption(options, 'since');
  if (since) filter.set('since', instantOf('--since', since, 'ago'));
  return filter;
}

function limitOf(options: Options): number {
  const text = textOption(options, 'limit') ?? '20';
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 0 && limit <= 10_000 && (limit > 0 || options['follow'])) return limit;
  throw new CommandError(EXIT.usage, `--limit ${text} is no number of events`, 'give 1 to 10000; with --follow also 0');
}
