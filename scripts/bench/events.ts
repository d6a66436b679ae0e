// `npm run bench:events [-- --messages N] [--full] [--json]`: what taking an event in costs. Queue message → verdict → ledger row → deleted,
// as the queue trigger does it, beside the bare receive + insert + delete of the same messages on the same Azurite, in turn.
import { closeSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createOutput } from '../../cli/output.ts';
import { connectionString, startAzurite } from '../../local/stack/azurite.ts';
import { claimPort } from '../../local/stack/ports.ts';
import { stopProcess } from '../../local/stack/processes.ts';
import { compared, type Compared, numberFlag } from './figures.ts';
import { fillLedger } from './ledger-fill.ts';
import { drain, messagesOf, openSite, type Site } from './intake-site.ts';
import { countRequests, tally, transactionOf } from './requests.ts';

const AIM = { ratio: 0.6, transactions: 5 };
const MESSAGES = numberFlag(process.argv, 'messages', 2000);
const SIZES = process.argv.includes('--full') ? [1_000, 10_000, 100_000] : [1_000, 10_000];
const ROUNDS = 5;
const output = createOutput({ json: process.argv.includes('--json'), out: process.stdout, err: process.stderr });

interface Point extends Compared {
  /** Rows in the table before the first round. */
  rows: number;
  transactions: Record<string, number>;
  started: number;
}

/** Rounds of both ways in turn: the way that begins changes with the round. One round before them warms both up. */
async function measure(site: Site, rows: number): Promise<Point> {
  const each = Math.ceil(MESSAGES / ROUNDS);
  const perSecond: Record<'ours' | 'bare', number[]> = { ours: [], bare: [] };
  const sent: string[] = [];
  let begun = 0;
  for (let round = -1; round < ROUNDS; round += 1) {
    const count = round < 0 ? Math.min(each, 100) : each;
    const messages = messagesOf(`${rows}-${round}`, count);
    for (const way of round % 2 === 0 ? (['bare', 'ours'] as const) : (['ours', 'bare'] as const)) {
      await site.send(messages);
      const counting = countRequests();
      const before = site.started();
      const seconds = await drain(site, way, count);
      const requests = counting.take();
      counting.stop();
      if (round < 0) continue;
      perSecond[way].push(count / seconds);
      if (way !== 'ours') continue;
      sent.push(...requests.map(transactionOf));
      begun += site.started() - before;
    }
  }
  if (begun !== each * ROUNDS)
    throw new Error(`${each * ROUNDS} events were sent and ${begun} stories started: not every event was accepted`);
  const transactions = Object.fromEntries(Object.entries(tally(sent)).map(([kind, count]) => [kind, count / begun]));
  return { ...compared(perSecond.ours, perSecond.bare), rows, transactions, started: begun };
}

async function bench(): Promise<Point[]> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-events-'));
  await mkdir(join(dataDir, 'logs'));
  const ports = { blob: 0, queue: 0, table: 0 };
  for (const name of ['blob', 'queue', 'table'] as const) ports[name] = await claimPort(0, 'Azurite', '');
  const logFd = openSync(join(dataDir, 'logs', 'azurite.log'), 'a');
  const azurite = await startAzurite({ dataDir: join(dataDir, 'azurite'), ports, logFd });
  closeSync(logFd);
  try {
    const site = await openSite(connectionString(ports));
    const points: Point[] = [];
    for (const size of SIZES) {
      const rows = await fillLedger(site, size);
      const point = await measure(site, rows);
      points.push(point);
      output.line(
        `  ${rows} rows present: ${point.ours.toFixed(0)} events/s, bare ${point.bare.toFixed(0)}/s, ratio ${point.ratio.toFixed(2)} (rounds ${point.from.toFixed(2)} to ${point.to.toFixed(2)})`,
      );
    }
    return points;
  } finally {
    await stopProcess(azurite, 5_000);
    await rm(dataDir, { recursive: true, force: true });
  }
}

output.line(
  `Intake: ${MESSAGES} messages in ${ROUNDS} rounds each way in turn, 16 at a time; load ${loadavg()[0]?.toFixed(1)} on ${cpus().length} cores`,
);
output.line('  a story that an event starts is counted, not started: what Durable Functions stores for it is not in here');
const points = await bench();
const first = points[0];
const last = points.at(-1);
if (!first || !last) throw new Error('nothing was measured');
output.line();
const sum = (named: (kind: string) => boolean): number =>
  Object.entries(last.transactions).reduce((total, [kind, each]) => total + (named(kind) ? each : 0), 0);
const all = sum(() => true);
const byQueue = sum((kind) => kind.startsWith('queue '));
output.table(
  ['storage transactions for each accepted event', ''],
  [
    ...Object.entries(last.transactions).map(([kind, each]) => [kind, each.toFixed(3)]),
    ['of the intake alone', (all - byQueue).toFixed(2)],
    ['with receive and delete, which every queue trigger pays', all.toFixed(2)],
  ],
);
output.line();
const flat = last.ratio / first.ratio;
const met = (isMet: boolean): string => (isMet ? 'met' : 'missed');
output.table(
  ['aim', 'measured', ''],
  [
    [`ratio at least ${AIM.ratio}`, last.ratio.toFixed(2), met(last.ratio >= AIM.ratio)],
    [`ratio flat from ${first.rows} to ${last.rows} rows`, `x${flat.toFixed(2)}`, met(flat >= 0.85)],
    [`at most ${AIM.transactions} transactions`, all.toFixed(2), met(all <= AIM.transactions)],
  ],
);
output.result({ messages: MESSAGES, rounds: ROUNDS, points, transactions: all, flat, load: loadavg()[0] });
