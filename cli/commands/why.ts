import type { LedgerEntry } from '../../shared/contracts/events.ts';
import type { Advice, Explanation, WhyNode, WindowView } from '../../shared/contracts/http-api.ts';
import type { Command } from '../command.ts';
import { cameBy, printHolds, whatOf } from '../event-lines.ts';
import { CommandError, EXIT } from '../failure.ts';
import { type Output, paintState } from '../output.ts';
import { detailOf } from '../story-lines.ts';
import { short } from '../times.ts';

/** Read from the cause: the later one repeats it. */
const WORDS: Readonly<Record<string, string>> = { repeats: 'is repeated by' };
/** Where the text of a node begins. */
const INDENT = ' '.repeat(12);

/** The chain of a path, event, run, model or endpoint, in both directions: what led to it, and what came of it. */
export const why: Command = {
  name: 'why',
  args: ['<subject>'],
  help: 'Explain a path, event, run, model or endpoint: event → verdict → run → model → endpoint',
  async run(context, [subject = '']) {
    const { output } = context;
    if (subject.trim() === '')
      throw new CommandError(EXIT.usage, 'Why what?', 'name a path, an event (e-…), a run, a model or an endpoint');
    const answer = await (await context.api()).get<Explanation>(`/why?subject=${encodeURIComponent(subject)}`);
    printChain(output, inTime(answer));
    printHolds(output, answer.holds);
    output.result(answer);
    return EXIT.done;
  },
};

/** What led to a thing is found newest first; a chain is read from its beginning. */
function inTime(answer: Explanation): Explanation {
  const by = <Item>(items: readonly Item[], at: (item: Item) => string): Item[] => items.toSorted((a, b) => (at(a) < at(b) ? -1 : 1));
  return { ...answer, events: by(answer.events, (one) => one.receivedAt), runs: by(answer.runs, (one) => one.startedAt) };
}

function printChain(output: Output, answer: Explanation): void {
  const asked = new Set(answer.subject.map(keyOf));
  const advice = new Map(answer.advice.map((one) => [one.ref, one]));
  const told = new Set<string>();
  const line = (node: WhyNode, state: string, text: string, more: () => void = () => undefined): void => {
    const mark = asked.has(keyOf(node)) ? output.paint.bold('▸') : ' ';
    output.line(`${mark} ${node.kind.padEnd(9)} ${state}  ${text}`);
    more();
    printAdvice(output, advice.get(node.ref));
    for (const link of answer.links.filter((one) => keyOf(one.from) === keyOf(node))) {
      output.line(output.paint.dim(`${INDENT}└ ${WORDS[link.as] ?? link.as.replaceAll('-', ' ')} ${link.to.ref}`));
    }
  };
  for (const entry of answer.events) {
    const when = entry.event ? `  ${short(entry.event.time)}` : '';
    line({ kind: 'event', ref: entry.entryId }, paintState(output, entry.verdict.kind), `${whatOf(entry)}${when}`, () => {
      printVerdict(output, entry);
      const window = answer.windows.find((one) => one.window === entry.window);
      if (window && !told.has(window.window)) printWindow(output, window);
      if (window) told.add(window.window);
    });
  }
  for (const run of answer.runs)
    line({ kind: 'run', ref: run.runId }, paintState(output, run.status), `${run.runId}  ${detailOf(output, run)}`);
  for (const model of answer.models)
    line(
      { kind: 'model', ref: model.modelDigest },
      'registered',
      `${model.modelDigest.slice(0, 12)} of ${model.pipeline}, gold v${model.goldVersion}`,
    );
  for (const entry of answer.endpoints) {
    line(
      { kind: 'endpoint', ref: `${entry.endpoint}@${entry.promotionId}` },
      'serves',
      `${entry.endpoint} since ${short(entry.since)}, model ${entry.modelDigest.slice(0, 12)}`,
    );
  }
  if (answer.truncated) output.line('  … there is more than one answer shows; ask for a later part of the chain');
}

/** The verdict, what it was judged by, and the way by which the event came to be. */
function printVerdict(output: Output, entry: LedgerEntry): void {
  const { verdict, entryId, chain } = entry;
  output.line(`${INDENT}${verdict.rule}: ${verdict.reason}`);
  const how = cameBy(entry);
  output.line(output.paint.dim(`${INDENT}${entryId}, received ${short(entry.receivedAt)}${how === '' ? '' : `, ${how}`}`));
  const evidence = Object.entries(verdict.evidence).filter(([, value]) => value !== null && value !== '');
  const width = Math.max(0, ...evidence.map(([name]) => name.length));
  for (const [name, value] of evidence) output.line(output.paint.dim(`${INDENT}  ${name.padEnd(width)}  ${cut(String(value))}`));
  if (chain.length > 0) output.line(output.paint.dim(`${INDENT}came of ${chain.join(' → ')}`));
}

function printWindow(output: Output, { window, state, files, rule, waitingFor, openedAt, closedAt }: WindowView): void {
  const times = closedAt === null ? (openedAt === null ? '' : `, opened ${short(openedAt)}`) : `, closed ${short(closedAt)}`;
  output.line(`${INDENT}dataset ${window} (${rule || 'its source is gone'}): ${state}, ${files} ${files === 1 ? 'file' : 'files'}${times}`);
  if (waitingFor !== null) output.line(`${INDENT}  waiting: ${waitingFor}`);
}

/** What it means and what to type next. The reason stands above already, unless it is another one by now. */
function printAdvice(output: Output, advice: Advice | undefined): void {
  if (!advice || advice.do.length === 0) return;
  output.line(`${INDENT}${advice.what}`);
  for (const step of advice.do) output.line(`${INDENT}${output.paint.cyan('→')} ${step}`);
}

function keyOf(node: WhyNode): string {
  return `${node.kind} ${node.ref}`;
}

function cut(text: string): string {
  const line = text.replaceAll('\n', ' ');
  return line.length > 100 ? `${line.slice(0, 99)}…` : line;
}
