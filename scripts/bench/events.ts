// `npm run bench:events [-- --messages N] [--full] [--json]`: what taking an event in costs. Queue message → verdict → ledger row → deleted,
// as the queue trigger does it, beside the bare receive + insert + delete of the same messages on the same Azurite, in turn.
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createOutput } from '../../cli/output.ts';
import { connectionString, startAzurite } from '../../local/stack/azurite.ts';
import { claimPort } from '../../local/stack/ports.ts';
import { stopProcess } from '../../local/stack/processes.ts';
import { compared, type Compared, median, numberFlag } from './figures.ts';
import { cpuSecondsOf, ownCpuSeconds } from './processor.ts';
import { fillLedger } from './ledger-fill.ts';
import { BATCH, messagesOf, openSite, type Site, type Way } from './intake-site.ts';
import { countRequests, type Sent, tally, transactionOf } from './requests.ts';

const AIM = { ratio: 0.6, transactions: 5 };
const MESSAGES = numberFlag(process.argv, 'messages', 2000);
const SIZES = process.argv.includes('--full') ? [1_000, 10_000, 100_000] : [1_000, 10_000];
const ROUNDS = 8;
const output = createOutput({ json: process.argv.includes('--json'), out: process.stdout, err: process.stderr });

interface Point extends Compared {
  /** Rows in the table before the first round. */
  rows: number;
  /** Milliseconds of processor for each event, of this process and of Azurite together: other programs do not change them. */
  cpuMs: Record<Way, number>;
  transactions: Record<string, number>;
}

interface Round {
  seconds: Record<Way, number>;
  cpuSeconds: Record<Way, number>;
  sent: Sent[];
}

/** One round: both ways take turns batch by batch, so that a pause of the machine or of Azurite hits both; gives the seconds of each. */
async function round(site: Site, cpu: () => number, name: string, count: number): Promise<Round> {
  const messages = messagesOf(name, count);
  for (const way of ['ours', 'bare'] as const) await site.send(way, messages);
  const seconds = { ours: 0, bare: 0 };
  const cpuSeconds = { ours: 0, bare: 0 };
  const done = { ours: 0, bare: 0 };
  const sent: Sent[] = [];
  for (let turn = 0; done.ours < count || done.bare < count; turn += 1) {
    for (const way of turn % 2 === 0 ? (['bare', 'ours'] as const) : (['ours', 'bare'] as const)) {
      if (done[way] >= count) continue;
      const counting = countRequests();
      const worked = cpu();
      const begun = performance.now();
      const taken = await site.takeBatch(way);
      seconds[way] += (performance.now() - begun) / 1000;
      cpuSeconds[way] += cpu() - worked;
      if (way === 'ours') sent.push(...counting.take());
      counting.stop();
      if (taken === 0) throw new Error(`the queue is empty after ${done[way]} of ${count} messages`);
      done[way] += taken;
    }
  }
  return { seconds, cpuSeconds, sent };
}

/** Rounds of both ways. One round before them warms both up. */
async function measure(site: Site, cpu: () => number, rows: number): Promise<Point> {
  const each = Math.ceil(MESSAGES / ROUNDS / BATCH) * BATCH;
  const perSecond: Record<Way, number[]> = { ours: [], bare: [] };
  const cpuMs: Record<Way, number[]> = { ours: [], bare: [] };
  const sent: string[] = [];
  await round(site, cpu, `${rows}-warm`, BATCH * 6);
  const before = site.started();
  for (let number = 0; number < ROUNDS; number += 1) {
    const one = await round(site, cpu, `${rows}-${number}`, each);
    for (const way of ['ours', 'bare'] as const) {
      perSecond[way].push(each / one.seconds[way]);
      cpuMs[way].push((one.cpuSeconds[way] * 1000) / each);
    }
    sent.push(...one.sent.map(transactionOf));
  }
  const begun = site.started() - before;
  if (begun !== each * ROUNDS)
    throw new Error(`${each * ROUNDS} events were sent and ${begun} stories started: not every event was accepted`);
  const transactions = Object.fromEntries(Object.entries(tally(sent)).map(([kind, count]) => [kind, count / begun]));
  return { ...compared(perSecond.ours, perSecond.bare), rows, cpuMs: { ours: median(cpuMs.ours), bare: median(cpuMs.bare) }, transactions };
}

/** One size of the ledger, on an Azurite of its own: what came before in this run is in nobody's way. */
async function point(size: number): Promise<Point> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-events-'));
  const ports = { blob: 0, queue: 0, table: 0 };
  for (const name of ['blob', 'queue', 'table'] as const) ports[name] = await claimPort(0, 'Azurite', '');
  const logFd = openSync(join(dataDir, 'azurite.log'), 'a');
  const azurite = await startAzurite({ dataDir: join(dataDir, 'azurite'), ports, logFd });
  closeSync(logFd);
  try {
    const site = await openSite(connectionString(ports));
    const cpu = (): number => ownCpuSeconds() + cpuSecondsOf(azurite.pid ?? 0);
    return await measure(site, cpu, await fillLedger(site, size));
  } finally {
    await stopProcess(azurite, 5_000);
    await rm(dataDir, { recursive: true, force: true });
  }
}

output.line(
  `Intake: ${MESSAGES} messages in ${ROUNDS} rounds, both ways in turn batch by batch, ${BATCH} at a time; load ${loadavg()[0]?.toFixed(1)} on ${cpus().length} cores`,
);
output.line('  a story that an event starts is counted, not started: what Durable Functions stores for it is not in here');
const points: Point[] = [];
for (const size of SIZES) {
  const one = await point(size);
  points.push(one);
  const { ours, bare } = one.cpuMs;
  output.line(
    `  ${one.rows} rows present: ${one.ours.toFixed(0)} events/s, bare ${one.bare.toFixed(0)}/s, ratio ${one.ratio.toFixed(2)} (rounds ${one.from.toFixed(2)} to ${one.to.toFixed(2)}); processor ${ours.toFixed(2)} ms an event, bare ${bare.toFixed(2)} ms, ratio ${(bare / ours).toFixed(2)}`,
  );
}
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
