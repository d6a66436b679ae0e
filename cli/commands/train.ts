import type { AskedRun } from '../../shared/contracts/http/training.ts';
import { type Command, listOption, textOption } from '../command.ts';
import { EXIT } from '../failure.ts';
import type { Output } from '../output.ts';
import { parseParams } from '../param-words.ts';
import { watchRun } from '../watch-run.ts';

/** Trains on data that is there, with other parameters where they are given. */
export const train: Command = {
  name: 'train',
  args: ['<pipeline>'],
  help: 'Train a pipeline on a gold version that is there, with its parameters or others',
  options: [
    { flags: '--set <name=value...>', help: 'another value for a parameter: alpha=0.1, or STEP.alpha=0.1' },
    { flags: '--like <run>', help: 'on the gold version of this run; the newest without it' },
    { flags: '--reason <text>', help: 'why; it is kept with the run', required: true },
    { flags: '--watch', help: 'follow it until it has ended' },
  ],
  async run(context, [pipeline = ''], options) {
    const { output } = context;
    const api = await context.api();
    const like = textOption(options, 'like');
    const body = { params: parseParams(listOption(options, 'set')), reason: textOption(options, 'reason'), ...(like ? { like } : {}) };
    const asked = await api.send<AskedRun>('POST', `/pipelines/${encodeURIComponent(pipeline)}/train`, body);
    sayAsked(output, asked);
    if (!options['watch']) {
      output.result(asked);
      return EXIT.done;
    }
    const { run, exitCode } = await watchRun(api, output, asked.runId);
    output.result(run);
    return exitCode;
  },
};

/** What came of asking: new work, or work that was there. */
export function sayAsked(output: Output, { runId, status, state, gold }: AskedRun): void {
  const words = state === 'started' ? 'Started' : `This very work is there already (${status}):`;
  output.line(`${words} ${output.paint.bold(runId)} on ${gold.table} v${gold.version}`);
  output.line(`  look at it with: sluice runs show ${runId}`);
}
