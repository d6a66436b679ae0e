import type { AskedRun } from '../../shared/contracts/http/training.ts';
import type { Run } from '../../shared/contracts/runs.ts';
import { type Command, listOption, textOption } from '../command.ts';
import { EXIT } from '../failure.ts';
import { type Output, paintState } from '../output.ts';
import { parseParams, parseSpace } from '../param-words.ts';
import { showSentences } from '../report-lines.ts';
import { watchRun } from '../watch-run.ts';
import { sayAsked } from './train.ts';

/** Searches for better parameters on data that is there. */
export const sweep: Command = {
  name: 'sweep',
  args: ['<pipeline>'],
  help: 'Search for better parameters on a gold version that is there: by the backend’s own search where it has one, else in rounds of trials',
  options: [
    { flags: '--space <name=values...>', help: 'alpha=0.01,0.03,0.1   alpha=uniform:0:1   alpha=log:0.001:1', required: true },
    {
      flags: '--trials <n>',
      help: 'how many at most; none is begun any more once two rounds in a row did not beat the median',
      fallback: '8',
    },
    { flags: '--parallel <n>', help: 'how many at a time: one round', fallback: '2' },
    { flags: '--metric <name>', help: 'what is improved; the metric of the champion’s gate without it' },
    { flags: '--direction <word>', help: 'higher-is-better or lower-is-better; the gate’s own without it' },
    { flags: '--seed <n>', help: 'the same seed draws the same trials', fallback: '0' },
    { flags: '--set <name=value...>', help: 'a value that all trials have in common' },
    { flags: '--train', help: 'train on the best parameters afterwards' },
    { flags: '--reason <text>', help: 'why; it is kept with the run', required: true },
    { flags: '--watch', help: 'follow it until it has ended' },
  ],
  async run(context, [pipeline = ''], options) {
    const { output } = context;
    const api = await context.api();
    const metric = textOption(options, 'metric');
    const direction = textOption(options, 'direction');
    const body = {
      space: parseSpace(listOption(options, 'space')),
      trials: Number(textOption(options, 'trials')),
      parallel: Number(textOption(options, 'parallel')),
      seed: Number(textOption(options, 'seed')),
      params: parseParams(listOption(options, 'set')),
      train: options['train'] === true,
      reason: textOption(options, 'reason'),
      ...(metric ? { metric } : {}),
      ...(direction ? { direction } : {}),
    };
    const asked = await api.send<AskedRun>('POST', `/pipelines/${encodeURIComponent(pipeline)}/sweep`, body);
    sayAsked(output, asked);
    if (!options['watch']) {
      output.result(asked);
      return EXIT.done;
    }
    const { run, exitCode } = await watchRun(api, output, asked.runId);
    showTrials(output, run);
    output.result(run);
    return exitCode;
  },
};

/** The table of trials, best first, where the run is a search. */
export function showTrials(output: Output, { swept, runId, pipeline, next, input }: Run): void {
  if (!swept) return;
  const sign = swept.direction === 'lower-is-better' ? 1 : -1;
  const rank = (metric: number | null): number => (metric === null ? Number.POSITIVE_INFINITY : sign * metric);
  const trials = [...swept.trials].sort((a, b) => rank(a.metric) - rank(b.metric) || a.trial - b.trial);
  showSentences(
    output,
    ['trial', swept.metric, 'state', 'parameters', 'why'],
    trials.map(({ trial, metric, state, params, reason }) => [
      trial === swept.best?.trial ? output.paint.bold(`${trial} best`) : String(trial),
      metric === null ? '-' : String(Number(metric.toPrecision(6))),
      paintState(output, state),
      Object.entries(params)
        .map(([name, value]) => `${name}=${String(value)}`)
        .join(' '),
      // The row says which trial it was, and that it failed.
      reason?.replace(/^job-failed: The trial job \S+ is failed: /, '') ?? '',
    ]),
  );
  if (swept.best && next.length === 0) {
    const common = input['overrides'];
    const all = { ...(typeof common === 'object' ? common : {}), ...swept.best.params };
    const best = Object.entries(all).map(([name, value]) => `${name}=${Array.isArray(value) ? `[${value.join(',')}]` : String(value)}`);
    output.line();
    output.field('the best', `sluice train ${pipeline} --set ${best.join(' ')} --like ${runId} --reason TEXT`);
  }
}
