// `npm run bench:train [-- --rounds N] [--million ROWS] [--only calls|waiting|credit] [--json]`: what control of a training costs on every
// place that trains, how late its end is seen, and what the component adds to XGBoost itself.
import { cpus, loadavg } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createOutput } from '../../cli/output.ts';
import { findPython } from '../../local/stack/python.ts';
import { benchControlCalls, type ControlCalls } from './control-calls.ts';
import { acceleratorWords, benchCredit, judgedBy, PUBLISHED, spread } from './credit.ts';
import { type Compared, numberFlag } from './figures.ts';
import { DEFAULT_POLL, EVENTS, type Events, lateness, waitFor } from './waiting.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const ROUNDS = numberFlag(process.argv, 'rounds', 3);
const MILLION = numberFlag(process.argv, 'million', 1_000_000, 0);
const AIM = { callsPerHour: 12, overhead: 1.1 };
const HOURS = 8;
const PARTS = ['calls', 'waiting', 'credit'] as const;
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : undefined;
if (only !== undefined && !PARTS.some((part) => part === only)) throw new Error(`--only takes ${PARTS.join(', ')}, not "${only}"`);
const wanted = (part: (typeof PARTS)[number]): boolean => only === undefined || only === part;

const output = createOutput({ json: process.argv.includes('--json'), out: process.stdout, err: process.stderr });
const say = (line: string): void => output.line(`  ${line}`);
const met = (isMet: boolean): string => (isMet ? 'met' : 'missed');

/** How often an adapter looks closely at a run that does not change (Kubeflow asks its pods; `closelyEverySeconds`). */
const CLOSE_LOOKS_PER_HOUR = 4;

interface Waiting {
  events: Events;
  firstHour: number;
  laterHour: number;
  perHour: number;
  lateMedian: number;
  lateLargest: number;
}

async function benchWaiting(): Promise<Waiting[]> {
  const rows: Waiting[] = [];
  for (const events of EVENTS) {
    const { firstHour, laterHour } = await waitFor(HOURS * 3_600_000, DEFAULT_POLL, events, 'long');
    const late = await lateness(DEFAULT_POLL, events);
    const perHour = (firstHour + laterHour * (HOURS - 1)) / HOURS;
    rows.push({ events, firstHour, laterHour, perHour, lateMedian: late.median, lateLargest: late.largest });
  }
  output.line(`Waiting for a job of ${HOURS} hours, and for the end of jobs of an hour and more: await-job in virtual time`);
  output.table(
    ['event', 'longest wait', 'looks: first hour', 'each later hour', 'mean', 'end seen late by, s', 'at most'],
    rows.map((row) => [
      row.events,
      `${row.events === 'none' ? DEFAULT_POLL.pollMaxSeconds : DEFAULT_POLL.pollMaxHintedSeconds} s`,
      String(row.firstHour),
      row.laterHour.toFixed(1),
      row.perHour.toFixed(1),
      row.lateMedian.toFixed(1),
      row.lateLargest.toFixed(1),
    ]),
  );
  say('the defaults of SLUICE_POLL_MAX_SECONDS: 60 s where nothing tells of the end, 600 s where an event does');
  say('before the end: the report lands 20 s before its job has ended; virtual time: what Event Grid and the queue need comes on top');
  output.line();
  return rows;
}

async function benchCalls(waiting: readonly Waiting[] | null): Promise<ControlCalls[]> {
  output.line('Control calls on the local stack: requests of the product’s adapters, tokens and the app’s own tables not among them');
  const rows = await benchControlCalls(root, say);
  output.table(
    ['backend', 'check', 'submit', 'look', 'first look', 'look at the end', 'a run and its looks', 'adopt', 'adopt, ms'],
    rows.map((row) => [
      row.backend,
      String(row.check),
      String(row.submit),
      String(row.look),
      String(row.firstLook),
      String(row.end),
      `${row.check + row.submit + row.firstLook + row.end} + ${row.look} x looks`,
      String(row.adopt),
      row.adoptMs.toFixed(0),
    ]),
  );
  if (waiting) {
    output.line();
    const asked = waiting.filter(({ events }) => events === 'none' || events === 'at the end');
    output.table(
      ['calls for each hour of waiting', ...asked.map(({ events }) => `event: ${events}`), `aim ${AIM.callsPerHour} with events`],
      rows.map((row) => {
        const calls = asked.map(({ perHour }) => callsPerHour(perHour, row));
        return [row.backend, ...calls.map((one) => one.toFixed(1)), met((calls.at(-1) ?? Number.NaN) <= AIM.callsPerHour)];
      }),
    );
  }
  output.line();
  return rows;
}

/** Looks at a run that does not change, and those among them that ask more. */
function callsPerHour(looks: number, { look, firstLook }: ControlCalls): number {
  return looks * look + Math.min(looks, CLOSE_LOOKS_PER_HOUR) * Math.max(0, firstLook - look);
}

async function benchComponent(): Promise<unknown> {
  output.line(`Credit-risk training, one thread, ${ROUNDS} rounds in turn, start of the process apart`);
  const python = await findPython({ root, environment: process.env, say });
  const before = loadavg()[0] ?? 0;
  const found = await benchCredit({ root, python, rounds: ROUNDS, million: MILLION, say });
  const { training, processor, million } = found;
  const cores = cpus().length;
  const by = judgedBy(Math.max(before, loadavg()[0] ?? 0), cores);
  const aim = (measure: typeof by, { ratio }: Compared): string => (measure === by ? met(ratio <= AIM.overhead) : 'not judged by it');
  output.table(
    [`${found.rows} rows (${found.source})`, 'clock, s', 'processor, s'],
    [
      ['component credit-train', training.ours.toFixed(2), processor.ours.toFixed(2)],
      ['of it the XGBoost call', found.callSeconds.toFixed(2), ''],
      ['XGBoost alone', training.bare.toFixed(2), processor.bare.toFixed(2)],
      ['ratio: median of rounds (range)', spread(training), spread(processor)],
      [`aim: ratio at most ${AIM.overhead}`, aim('clock', training), aim('processor', processor)],
    ],
  );
  if (by === 'processor') say('others worked on the machine: processor time is what the component costs, the clock tells of them too');
  if (million) {
    output.line();
    output.table(
      [`${million.rows} rows`, 'XGBoost, s', 'converted, s', 'faster by'],
      [
        // daal4py converts for inference; an update is XGBoost's own in either case, the published gain comes of its patched build.
        [
          'incremental update',
          million.updateSeconds.toFixed(2),
          '-',
          million.convertedSeconds === null
            ? acceleratorWords(million.updateSeconds, null, PUBLISHED.update)
            : `not converted: daal4py only infers (published ${PUBLISHED.update} x)`,
        ],
        [
          'inference',
          million.inferSeconds.toFixed(2),
          million.convertedSeconds?.toFixed(2) ?? '-',
          acceleratorWords(million.inferSeconds, million.convertedSeconds, PUBLISHED.infer),
        ],
      ],
    );
    say(`accelerator: ${million.accelerator}`);
  }
  return { ...found, judgedBy: by };
}

output.line(`Load ${loadavg()[0]?.toFixed(1)} on ${cpus().length} cores`);
const waiting = wanted('waiting') || wanted('calls') ? await benchWaiting() : null;
const calls = wanted('calls') ? await benchCalls(waiting) : null;
const credit = wanted('credit') ? await benchComponent() : null;
output.result({ waiting, calls, credit, load: loadavg()[0] });
