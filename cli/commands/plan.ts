import { openAsBlob } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { MAX_PLAN_BYTES, type Plan } from '../../shared/contracts/http-api.ts';
import type { Preview } from '../../shared/contracts/tables.ts';
import { type Command, type Options, textOption } from '../command.ts';
import { counted } from '../counts.ts';
import { CommandError, EXIT } from '../failure.ts';
import { type Output, paintState } from '../output.ts';
import { short } from '../times.ts';

/** Rows that would be set aside and are printed; all of them are in --json, up to a hundred. */
const SHOWN_ROWS = 10;
/** Verdicts after which no story begins. */
const STOPS: ReadonlySet<string> = new Set(['ignored', 'quarantined', 'refused', 'malformed', 'duplicate', 'stale']);

/** What would happen to a file if it landed now. Nothing is changed by asking. */
export const plan: Command = {
  name: 'plan',
  args: [],
  help: 'Say what would happen to a file if it landed now: verdict, dataset, rows, gates, targets. Nothing is changed',
  options: [
    { flags: '--pipeline <name>', help: 'pipeline whose landing folder would take it', required: true },
    { flags: '--file <file>', help: 'a file of this machine' },
    { flags: '--path <path>', help: 'a file of the lake instead; needed above 64 MiB' },
    { flags: '--source <name>', help: 'needed where the pipeline has several sources' },
    { flags: '--as <name>', help: 'name that it would land under; its own without it' },
  ],
  async run(context, _args, options) {
    const { output } = context;
    const query = new URLSearchParams();
    const file = await fileOf(options, query);
    const path = `/pipelines/${encodeURIComponent(textOption(options, 'pipeline') ?? '')}/plan?${query.toString()}`;
    const answer = await (await context.api()).upload<Plan>(path, file);
    printPlan(output, answer);
    output.result(answer);
    return ['accepted', 'incomplete', 'duplicate'].includes(answer.verdict.kind) ? EXIT.done : EXIT.failed;
  },
};

/** The file to send, or null when one of the lake is named; the query says the rest. */
async function fileOf(options: Options, query: URLSearchParams): Promise<Blob | null> {
  const [file, path, as, source] = ['file', 'path', 'as', 'source'].map((name) => textOption(options, name));
  if ((file === undefined) === (path === undefined))
    throw new CommandError(EXIT.usage, 'Which file?', 'give --file FILE or --path PATH, one of the two');
  if (source !== undefined) query.set('source', source);
  if (as !== undefined) query.set('as', as);
  if (path !== undefined) query.set('path', path);
  if (file === undefined) return null;
  const info = await stat(file).catch(() => null);
  if (!info?.isFile()) throw new CommandError(EXIT.usage, `${file} is not a file`);
  if (info.size > MAX_PLAN_BYTES) {
    const mend = 'put it into the lake outside the landing folders with any Storage client, and name it: sluice plan --path PATH';
    throw new CommandError(EXIT.usage, `${file} has more than the ${MAX_PLAN_BYTES} bytes that are sent for a plan`, mend);
  }
  if (as === undefined) query.set('as', basename(file));
  return openAsBlob(file);
}

function printPlan(output: Output, plan: Plan): void {
  output.line(`${output.paint.bold(plan.path)} of ${plan.pipeline}, ${counted(plan.bytes, 'byte')}`);
  output.field('verdict', `${paintState(output, plan.verdict.kind)}  ${plan.verdict.rule}`);
  output.field('', plan.verdict.reason);
  if (plan.dataset) {
    const { window, how, state, files, until } = plan.dataset;
    const name = window === null ? 'of its own' : window;
    output.field('dataset', `${name}: ${state === 'complete' ? 'complete, ' : 'would wait: '}${how}`);
    if (state !== 'complete')
      output.field('', `${counted(files, 'file')} with this one${until === null ? '' : `, looked at again at ${short(until)}`}`);
  }
  if (plan.engine) output.field('engine', `${plan.engine.engine} (${plan.engine.reason})`);
  if (plan.refine) printRefine(output, plan.refine, plan.verdict.reason);
  output.line();
  // What holds the whole pipeline says nothing about the file: its story is told for afterwards.
  const isGood = plan.refine !== null && plan.refine.preview.refused === null;
  if (STOPS.has(plan.verdict.kind))
    output.line(isGood ? '  Nothing would be started now; once that is over:' : '  Nothing would be started.');
  if (isGood || !STOPS.has(plan.verdict.kind)) printStory(output, plan);
  for (const note of plan.notes) output.field('note', note);
  output.line(output.paint.dim('  Nothing was changed by this look.'));
}

/** What follows once the dataset is refined. */
function printStory(output: Output, plan: Plan): void {
  const { train } = plan;
  const most = train.atMost === null ? '' : `, costs at most ${train.atMost}`;
  output.field(
    'train',
    `${train.components.join(' → ')} on ${train.backends.join(' or ')}, within ${train.deadline}${most}; when busy: ${train.whenBusy}`,
  );
  for (const [index, gate] of plan.gates.entries()) output.field(index === 0 ? 'gates' : '', gate);
  for (const promotion of plan.promotions) {
    const start = promotion.start === 'run' ? 'by itself' : 'by hand';
    const targets = promotion.targets.map(({ platform, place }) => `${platform} ${place}`).join(', ');
    output.field('promotion', `${promotion.environment} ${start}, approval ${promotion.approval}, ${promotion.rollout}: ${targets}`);
  }
}

function printRefine(output: Output, { of, files, preview }: NonNullable<Plan['refine']>, told: string): void {
  const what = of === 'dataset' ? `all ${files} files of the dataset together` : 'this file alone';
  const which = of === 'dataset' && files === 1 ? 'this file' : what;
  if (preview.refused) {
    output.field('refine', `${output.paint.red('would fail')} (${which}): ${preview.refused.code}`);
    if (!told.startsWith(preview.refused.message.slice(0, 100))) output.field('', preview.refused.message);
    return;
  }
  output.field('refine', readWords(preview, which));
  output.line();
  output.table(
    ['table', 'mode', 'version', 'rows now', 'new', 'then'],
    preview.layers.map((layer) => [
      `${layer.layer} ${layer.table}`,
      layer.mode,
      `v${layer.version}`,
      String(layer.rowsBefore),
      String(layer.newRows),
      String(layer.rowsAfter),
    ]),
  );
  printFindings(output, preview);
}

function readWords({ readRows, quarantinedRows, onPremises }: Preview, which: string): string {
  if (onPremises) return `${counted(readRows, 'file')} named by the manifest, a row each; their own rows are refined at the site`;
  return `${counted(readRows, 'row')} read, ${quarantinedRows} into quarantine (${which})`;
}

function printFindings(output: Output, { findings, quarantined, quarantinedRows }: Preview): void {
  if (findings.length > 0) {
    output.line();
    output.table(
      ['rule', 'rows', 'what happens', 'lines'],
      findings.map(({ rule, rows, action, lines }) => [rule, String(rows), action, lines.join(', ')]),
    );
  }
  if (quarantined.length === 0) return;
  output.line();
  output.table(
    ['line', 'rule', 'row', 'reason'],
    quarantined
      .slice(0, SHOWN_ROWS)
      .map(({ line, rule, reason, raw }) => [line === null ? '-' : String(line), rule, cut(raw), cut(reason, 100)]),
  );
  if (quarantinedRows > SHOWN_ROWS) output.line(output.paint.dim(`  … and ${quarantinedRows - SHOWN_ROWS} more`));
}

function cut(text: string, most = 60): string {
  const line = text.replaceAll('\n', '⏎');
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}
