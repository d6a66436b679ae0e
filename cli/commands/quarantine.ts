import { openAsBlob } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import type { z } from 'zod';
import type { CaseFile, RetrainAnswered } from '../../shared/contracts/http-api.ts';
import type { CaseRow, CaseRows, QuarantineCase, Resolved } from '../../shared/contracts/quarantine.ts';
import { type Command, type Options, textOption } from '../command.ts';
import { countOption, counted } from '../counts.ts';
import { CommandError, EXIT } from '../failure.ts';
import type { Output } from '../output.ts';
import { refuseUnknown } from '../pipeline-names.ts';
import { instantOf, short } from '../times.ts';

const REASON = { flags: '--reason <text>', help: 'why; it stays in the history of the case', required: true };
const ROWS = { flags: '--rows <numbers>', help: 'all, or numbers from quarantine show: 1,4,7', required: true };
const pathOf = (id: string, deed = ''): string => `/quarantine/${encodeURIComponent(id)}${deed}`;

export const quarantineList: Command = {
  name: 'quarantine list',
  args: [],
  help: 'List the cases of rows that were kept aside: open ones first',
  options: [
    { flags: '--pipeline <name>', help: 'only of this pipeline' },
    { flags: '--state <state>', help: 'open or closed' },
    { flags: '--overdue', help: 'only open ones whose deadline is over' },
    { flags: '--limit <n>', help: 'at most this many', fallback: '50' },
  ],
  async run(context, _args, options) {
    const { output } = context;
    const query = new URLSearchParams({ limit: String(countOption(options, 'limit', { least: 1, most: 500, fallback: 50 })) });
    for (const name of ['pipeline', 'state']) {
      const value = textOption(options, name);
      if (value) query.set(name, value);
    }
    if (options['overdue']) query.set('overdueAt', new Date().toISOString());
    const api = await context.api();
    const page = await api.get<{ items: QuarantineCase[] }>(`/quarantine?${query.toString()}`);
    const pipeline = textOption(options, 'pipeline');
    if (page.items.length === 0 && pipeline !== undefined) await refuseUnknown(api, pipeline);
    if (page.items.length === 0) output.line(query.size === 1 ? 'No rows are kept aside' : 'No case fits');
    else
      output.table(
        ['case', 'state', 'open rows', 'owner', 'due', 'rules', 'train again?'],
        page.items.map((one) => [
          one.caseId,
          one.state === 'open' ? output.paint.yellow('open') : 'closed',
          `${one.openRows} of ${one.rows}`,
          one.owner ?? '-',
          dueOf(output, one),
          one.rules.map(({ rule, rows }) => `${rule} ${rows}`).join(', '),
          one.retrain === 'pending' ? output.paint.yellow('to be answered') : one.retrain.replace('not-asked', '-'),
        ]),
      );
    output.result(page);
    return EXIT.done;
  },
};

export const quarantineShow: Command = {
  name: 'quarantine show',
  args: ['<case>'],
  help: 'Show a case and its open rows, or write them to a file to correct',
  options: [
    { flags: '--limit <n>', help: 'rows that are shown', fallback: '20' },
    { flags: '--out <file>', help: 'write all open rows to this CSV; correct it, then: quarantine fix' },
  ],
  async run(context, [id = ''], options) {
    const { output } = context;
    const api = await context.api();
    const limit = countOption(options, 'limit', { least: 1, most: 1000, fallback: 20 });
    const shown = await api.get<CaseRows>(`${pathOf(id)}?limit=${limit}`);
    printCase(output, shown.case);
    printHistory(output, shown.case);
    if (shown.rows.length > 0) output.line();
    printRows(output, shown.rows);
    if (shown.next !== null) output.line(output.paint.dim('  … there are more; --limit shows them, --out writes all of them'));
    const out = textOption(options, 'out');
    if (out !== undefined) {
      const { csv } = await api.get<z.infer<typeof CaseFile>>(pathOf(id, '/file'));
      // Rows are data: nobody else on this machine needs to read them.
      await writeFile(out, csv, { mode: 0o600 });
      output.line(`Open rows are in ${out}; when they are right: sluice quarantine fix ${id} --file ${out} --reason TEXT`);
    }
    output.result(shown);
    return EXIT.done;
  },
};

export const quarantineAssign: Command = {
  name: 'quarantine assign',
  args: ['<case>'],
  help: 'Give a case an owner, a deadline, or both',
  options: [
    { flags: '--owner <name>', help: 'who cares for it; "nobody" takes the owner away' },
    { flags: '--due <time>', help: 'until when: 2d, or 2026-11-30T12:00Z; "never" takes the deadline away' },
  ],
  async run(context, [id = ''], options) {
    const owner = textOption(options, 'owner');
    const due = textOption(options, 'due');
    if (owner === undefined && due === undefined) throw new CommandError(EXIT.usage, 'What is to change?', 'give --owner, --due, or both');
    const after = await (
      await context.api()
    ).send<QuarantineCase>('POST', pathOf(id, '/assign'), {
      ...(owner === undefined ? {} : { owner: owner === 'nobody' ? null : owner }),
      ...(due === undefined ? {} : { due: due === 'never' ? null : instantOf('--due', due, 'ahead') }),
    });
    printCase(context.output, after);
    context.output.result(after);
    return EXIT.done;
  },
};

export const quarantineFix: Command = {
  name: 'quarantine fix',
  args: ['<case>'],
  help: 'Bring corrected rows: they go through the same rules again, and the good ones into silver and gold',
  options: [
    { flags: '--file <file>', help: 'the corrected CSV (quarantine show --out writes the one to correct)', required: true },
    REASON,
  ],
  async run(context, [id = ''], options) {
    const file = textOption(options, 'file') ?? '';
    const info = await stat(file).catch(() => null);
    if (!info?.isFile()) throw new CommandError(EXIT.usage, `${file} is not a file`);
    const query = new URLSearchParams({ reason: textOption(options, 'reason') ?? '' });
    const done = await (await context.api()).upload<Resolved>(`${pathOf(id, '/fix')}?${query.toString()}`, await openAsBlob(file));
    return resolved(context.output, done);
  },
};

export const quarantineRelease: Command = {
  name: 'quarantine release',
  args: ['<case>'],
  help: 'Accept rows as they are, against the rules that they broke (approver)',
  options: [ROWS, REASON],
  async run(context, [id = ''], options) {
    return resolved(context.output, await (await context.api()).send<Resolved>('POST', pathOf(id, '/release'), rowsAndReason(options)));
  },
};

export const quarantineDiscard: Command = {
  name: 'quarantine discard',
  args: ['<case>'],
  help: 'Give rows up: they stay in the history of quarantine and nowhere else',
  options: [ROWS, REASON],
  async run(context, [id = ''], options) {
    return resolved(context.output, await (await context.api()).send<Resolved>('POST', pathOf(id, '/discard'), rowsAndReason(options)));
  },
};

export const quarantineResume: Command = {
  name: 'quarantine resume',
  args: ['<case>'],
  help: 'End work on a case that was cut off',
  async run(context, [id = '']) {
    const { output } = context;
    const answer = await (await context.api()).send<{ resolved: Resolved | null }>('POST', pathOf(id, '/resume'), {});
    if (answer.resolved) return resolved(output, answer.resolved);
    output.line('Nothing was cut off');
    output.result(answer);
    return EXIT.done;
  },
};

export const quarantineAnswer: Command = {
  name: 'quarantine answer',
  args: ['<case>', '<yes|no>'],
  help: 'Answer whether to train again now that rows came into gold; yes starts it',
  options: [REASON],
  async run(context, [id = '', retrain = ''], options) {
    const { output } = context;
    if (retrain !== 'yes' && retrain !== 'no') throw new CommandError(EXIT.usage, `"${retrain}" is no answer`, 'say yes or no');
    const body = { retrain, reason: textOption(options, 'reason') };
    const answer = await (await context.api()).send<z.infer<typeof RetrainAnswered>>('POST', pathOf(id, '/retrain'), body);
    output.line(`${id}: ${retrain === 'yes' ? 'train again' : 'do not train again'}, it is written down`);
    if (answer.entry) output.line(`  ${answer.entry.verdict.reason}; follow it with: sluice why ${answer.entry.entryId}`);
    output.result(answer);
    return EXIT.done;
  },
};

function rowsAndReason(options: Options): { rows: 'all' | number[]; reason: string } {
  const text = textOption(options, 'rows') ?? '';
  const rows = text === 'all' ? 'all' : text.split(',').map((one) => Number(one.trim()));
  if (rows !== 'all' && !rows.every((row) => Number.isInteger(row) && row > 0))
    throw new CommandError(EXIT.usage, `--rows ${text} names no rows`, 'say all, or numbers such as 1,4,7');
  return { rows, reason: textOption(options, 'reason') ?? '' };
}

function printCase(output: Output, one: QuarantineCase): void {
  output.line(`${output.paint.bold(one.caseId)}  ${one.state}, ${one.openRows} of ${counted(one.rows, 'row')} open`);
  output.field('opened', `${short(one.openedAt)}${one.runId === null ? '' : ` by ${one.runId}`}`);
  output.field('owner', `${one.owner ?? 'nobody'}, due ${one.due === null ? 'never' : short(one.due)}`);
  for (const [index, { rule, rows }] of one.rules.entries()) output.field(index === 0 ? 'rules' : '', `${rule}: ${counted(rows, 'row')}`);
  if (one.pending)
    output.field('under way', `${one.pending.resolution} by ${one.pending.by}; if it was cut off: sluice quarantine resume ${one.caseId}`);
  for (const merge of one.merges) output.field(merge.resolution, mergeWords(merge));
  if (one.retrain !== 'not-asked')
    output.field('train again?', one.retrain === 'pending' ? `sluice quarantine answer ${one.caseId} yes|no --reason TEXT` : one.retrain);
}

/** The deadline of a case; seen when it is over and the case is not. */
function dueOf(output: Output, { due, state }: QuarantineCase): string {
  if (due === null) return '-';
  const isOver = state === 'open' && Date.parse(due) < Date.now();
  return isOver ? output.paint.red(`${short(due)} over`) : short(due);
}

/** Rows that are settled, and the commits that took them in where there are any. */
function mergeWords({ rows, addedRows, silverVersion, goldVersion }: QuarantineCase['merges'][number]): string {
  const into = silverVersion === null ? '' : `, ${addedRows} into silver v${silverVersion} and gold v${goldVersion}`;
  return `${counted(rows, 'row')}${into}`;
}

/** Who did what to the case, oldest first; the beginning of a deed is told only while it is under way. */
function printHistory(output: Output, { history, pending }: QuarantineCase): void {
  const told = history.filter(({ what }, index) => what !== 'began' || (pending !== null && index === history.length - 1));
  output.line();
  output.table(
    ['when', 'what', 'by', 'why'],
    told.map(({ at, what, resolution, rows, by, note }) => [
      short(at),
      `${what.replaceAll('-', ' ')}${resolution === null ? '' : ` (${resolution})`}${rows === 0 ? '' : `, ${counted(rows, 'row')}`}`,
      by,
      cut(note, 80),
    ]),
  );
}

function printRows(output: Output, rows: readonly CaseRow[]): void {
  if (rows.length === 0) return;
  output.table(
    ['row', 'line', 'rule', 'as it came', 'why'],
    rows.map(({ row, line, rule, raw, reason }) => [String(row), line === null ? '-' : String(line), rule, cut(raw), cut(reason, 100)]),
  );
}

/** Not all rows that were brought are right: the command worked, the case is still open. */
function resolved(output: Output, done: Resolved): number {
  const { case: after, resolvedRows, stillBad, merge } = done;
  const into =
    merge.silverVersion === null ? '' : `, ${merge.addedRows} of them into silver v${merge.silverVersion} and gold v${merge.goldVersion}`;
  const rest = after.state === 'closed' ? 'the case is closed' : `${after.openRows} still open`;
  output.line(`${output.paint.bold(after.caseId)}: ${counted(resolvedRows, 'row')} ${WORDS[merge.resolution]}${into}; ${rest}`);
  printRows(output, stillBad);
  if (after.retrain === 'pending') output.line(`  Train again? sluice quarantine answer ${after.caseId} yes|no --reason TEXT`);
  output.result(done);
  return stillBad.length === 0 ? EXIT.done : EXIT.failed;
}

const WORDS = { fix: 'mended', release: 'accepted as they are', discard: 'given up' } as const;

function cut(text: string, most = 60): string {
  const line = text.replaceAll('\n', '⏎');
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}
