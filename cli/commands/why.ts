import { subjectOf } from '../../shared/contracts/events.ts';
import type { Explanation, WhyNode } from '../../shared/contracts/http-api.ts';
import type { Command } from '../command.ts';
import { EXIT } from '../failure.ts';
import { type Output, paintState } from '../output.ts';
import { detailOf } from '../story-lines.ts';

/** The chain of a path, event, run, model or endpoint, in both directions: what led to it, and what came of it. */
export const why: Command = {
  name: 'why',
  args: ['<subject>'],
  help: 'Explain a path, event, run, model or endpoint: event → verdict → run → model → endpoint',
  async run(context, [subject = '']) {
    const { output } = context;
    const answer = await (await context.api()).get<Explanation>(`/why?subject=${encodeURIComponent(subject)}`);
    printChain(output, answer);
    output.result(answer);
    return EXIT.done;
  },
};

function printChain(output: Output, answer: Explanation): void {
  const asked = new Set(answer.subject.map(keyOf));
  const line = (node: WhyNode, state: string, text: string): void => {
    const mark = asked.has(keyOf(node)) ? output.paint.bold('▸') : ' ';
    output.line(`${mark} ${node.kind.padEnd(9)} ${state}  ${text}`);
    for (const link of answer.links.filter((one) => keyOf(one.from) === keyOf(node))) {
      output.line(output.paint.dim(`            └ ${link.as.replaceAll('-', ' ')} ${link.to.ref}`));
    }
  };
  for (const entry of answer.events) {
    const what = entry.event
      ? `${subjectOf(entry.event)}  ${entry.event.time.slice(0, 19)}`
      : `malformed message ${entry.rawSha256?.slice(0, 12) ?? ''}`;
    line({ kind: 'event', ref: entry.entryId }, paintState(output, entry.verdict.kind), what);
    output.line(
      `            ${entry.verdict.rule}: ${entry.verdict.reason}${entry.deliveries > 1 ? ` (delivered ${entry.deliveries} times)` : ''}`,
    );
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
      `${entry.endpoint} since ${entry.since.slice(0, 19)}, model ${entry.modelDigest.slice(0, 12)}`,
    );
  }
  if (answer.truncated) output.line('  … there is more than one answer shows; ask for a later part of the chain');
}

function keyOf(node: WhyNode): string {
  return `${node.kind} ${node.ref}`;
}
