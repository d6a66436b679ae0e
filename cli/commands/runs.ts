import type { z } from 'zod';
import type { RunReports } from '../../shared/contracts/http/training.ts';
import type { Run } from '../../shared/contracts/runs.ts';
import type { RunSummary } from '../../shared/contracts/http-api.ts';
import type { Command } from '../command.ts';
import { textOption } from '../command.ts';
import { EXIT } from '../failure.ts';
import { type Output, paintState, seconds } from '../output.ts';
import { contentWords, parityWords } from '../result-words.ts';
import { sentenceField, showMachines, showMetrics, showReport, showSentences } from '../report-lines.ts';
import { detailOf } from '../story-lines.ts';
import { showTrials } from './sweep.ts';

type Reports = z.infer<typeof RunReports>;

export const runsList: Command = {
  name: 'runs',
  args: [],
  help: 'List runs, newest first',
  options: [
    { flags: '--pipeline <name>', help: 'only of this pipeline' },
    { flags: '--status <status>', help: 'running, succeeded, failed or cancelled' },
    { flags: '--limit <n>', help: 'at most this many', fallback: '20' },
  ],
  async run(context, _args, options) {
    const { output } = context;
    const query = new URLSearchParams({ limit: textOption(options, 'limit') ?? '20' });
    for (const name of ['pipeline', 'status']) {
      const value = textOption(options, name);
      if (value) query.set(name, value);
    }
    const page = await (await context.api()).get<{ items: RunSummary[]; next: string | null }>(`/runs?${query.toString()}`);
    if (page.items.length === 0) output.line('No runs yet. Land a file with: sluice drop FILE --pipeline NAME');
    else
      output.table(
        ['run', 'status', 'phase', 'started', 'what'],
        page.items.map((run) => [
          run.runId,
          paintState(output, run.status),
          run.phase,
          `${run.startedAt.slice(0, 19)}Z`,
          short(detailOf(output, run)),
        ]),
      );
    output.result(page);
    return EXIT.done;
  },
};

export const runsShow: Command = {
  name: 'runs show',
  args: ['<id>'],
  help: 'Show one run: status, commit or model, metrics, tables and curves, gates, jobs, seconds',
  async run(context, [id = '']) {
    const api = await context.api();
    const run = await api.get<Run>(`/runs/${encodeURIComponent(id)}`);
    // Other runs have no report of components.
    const reports = run.story === 'train' ? await api.find<Reports>(`/runs/${encodeURIComponent(id)}/report`) : null;
    showRun(context.output, run, reports);
    context.output.result(reports ? { ...run, report: reports.report, files: reports.files } : run);
    return EXIT.done;
  },
};

export const runsCancel: Command = {
  name: 'runs cancel',
  args: ['<id>'],
  help: 'End a run: its job is cancelled, its endpoint restored',
  options: [{ flags: '--reason <text>', help: 'why', required: true }],
  async run(context, [id = ''], options) {
    const answer = await (
      await context.api()
    ).send('POST', `/runs/${encodeURIComponent(id)}/cancel`, { reason: textOption(options, 'reason') });
    context.output.line(`Asked ${id} to end; it does at its next wait`);
    context.output.result(answer);
    return EXIT.done;
  },
};

export const runsRetry: Command = {
  name: 'runs retry',
  args: ['<id>'],
  help: 'Start the next attempt of a failed or cancelled run',
  options: [{ flags: '--reason <text>', help: 'why', required: true }],
  async run(context, [id = ''], options) {
    const answer = await (
      await context.api()
    ).send<{ runId: string }>('POST', `/runs/${encodeURIComponent(id)}/retry`, { reason: textOption(options, 'reason') });
    context.output.line(`Started ${context.output.paint.bold(answer.runId)}`);
    context.output.result(answer);
    return EXIT.done;
  },
};

export const runsLogs: Command = {
  name: 'runs logs',
  args: ['<id>'],
  help: 'Print the end of the logs of a run’s jobs',
  async run(context, [id = '']) {
    const { output } = context;
    const logs = await (
      await context.api()
    ).get<{ jobs: { stage: string; jobName: string; steps: { step: string; text: string }[] }[] }>(`/runs/${encodeURIComponent(id)}/logs`);
    if (logs.jobs.length === 0) output.line('This run has started no job');
    for (const job of logs.jobs) {
      for (const { step, text } of job.steps) {
        output.line(output.paint.bold(`${job.stage} · ${step}`));
        output.line(text.trimEnd());
      }
    }
    output.result(logs);
    return EXIT.done;
  },
};

function showRun(output: Output, run: Run, reports: Reports | null): void {
  output.line(`${output.paint.bold(run.runId)}  ${paintState(output, run.status)}`);
  output.field('phase', run.phase);
  output.field('cause', `${run.cause.kind} ${run.cause.path ?? run.cause.ref}`);
  output.field('contract', run.contractDigest.slice(0, 12));
  output.field('started', run.startedAt);
  if (run.finishedAt) output.field('finished', run.finishedAt);
  if (run.failure) sentenceField(output, 'failure', `${run.failure.code}: ${run.failure.message}`);
  if (run.engine) output.field('engine', `${run.engine.engine} (${run.engine.reason})`);
  if (run.refined) showRefined(output, run.refined);
  showTrained(output, run, reports);
  showTrials(output, run);
  const placements = run.jobs.flatMap((job) => job.placements ?? []);
  if (placements.length > 0 || run.tracked?.url) output.line();
  showMachines(output, placements);
  for (const warning of run.warnings ?? []) output.field('warning', warning);
  if (run.tracked?.url) output.field('tracked', run.tracked.url);
  if (run.promoted) showPromoted(output, run.promoted);
  if (run.jobs.length > 0) showJobs(output, run);
  for (const next of run.next) output.field('next', next);
}

function showRefined(output: Output, refined: NonNullable<Run['refined']>): void {
  for (const commit of [refined.silver, refined.gold])
    output.field(commit.layer, `${commit.path} v${commit.version}, ${contentWords(refined, commit.rows)}, ${commit.digest.slice(0, 12)}`);
  for (const finding of refined.findings)
    sentenceField(output, 'rule', `${finding.rule}: ${finding.rows} rows ${finding.action}, lines ${finding.lines.join(', ')}`);
}

/** What was made of the data, as the components told it, and what the gates said. */
function showTrained(output: Output, run: Run, reports: Reports | null): void {
  if (run.trained) {
    output.field('gold', `${run.trained.goldTable} v${run.trained.goldVersion}, ${run.trained.goldDigest.slice(0, 12)}`);
    output.field('model', run.trained.modelDigest);
  }
  const metrics = reports?.report?.metrics ?? run.trained?.metrics;
  if (metrics) {
    output.line();
    showMetrics(output, metrics);
  }
  if (reports) showReport(output, run.runId, reports);
  if (run.trained) {
    output.line();
    const gates = run.trained.gates.map((gate) => [gate.gate, paintState(output, gate.result), gate.reason]);
    showSentences(output, ['gate', 'result', 'reason'], gates);
  }
}

function showPromoted(output: Output, promoted: NonNullable<Run['promoted']>): void {
  output.field('endpoint', `${promoted.region}/${promoted.endpoint} (${promoted.environment})`);
  output.field('model', promoted.modelDigest);
  output.field('artifact', promoted.artifactUri);
  output.field('config', `${promoted.configName}, before: ${promoted.previousConfig ?? 'none'}`);
  output.field('parity', parityWords(promoted.parity));
}

function showJobs(output: Output, run: Run): void {
  const time = (value: number | null): string => (value === null ? '-' : seconds(value));
  output.line();
  output.table(
    ['job', 'stage', 'backend', 'adopted', 'queued', 'working'],
    run.jobs.map((job) => [
      job.jobName,
      job.stage,
      job.backend,
      job.adopted ? 'yes' : 'no',
      time(job.queuedSeconds),
      time(job.executionSeconds),
    ]),
  );
}

function short(text: string): string {
  return text.length > 90 ? `${text.slice(0, 89)}…` : text;
}
