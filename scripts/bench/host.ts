// Measures the local host's Durable Functions engine: `tsx scripts/bench/host.ts [--json]`.
// Throughput in memory and on disk, latency, long histories beside the SDK alone, fan-out, entities, restart, cost against stored instances.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as df from 'durable-functions';
import type { EntityContext, OrchestrationContext } from 'durable-functions';
import { createSystemClock } from '../../local/host/clock/system-clock.ts';
import { type FunctionApp, loadFunctionApp } from '../../local/host/core/function-app.ts';
import { createDurableEngine, type DurableEngine } from '../../local/host/durable/engine.ts';
import {
  executionStarted,
  orchestratorCompleted,
  orchestratorStarted,
  taskCompleted,
  taskScheduled,
  type HistoryEvent,
} from '../../local/host/durable/history-events.ts';
import { openJournalStore } from '../../local/host/durable/journal-store.ts';
import { createMemoryStore, type Store } from '../../local/host/durable/store.ts';
import { DurableWorker } from '../../local/host/durable/worker.ts';

/** The genuine host on a 2-core machine with Azurite (facts/durable.md §2.9). */
const genuine = { perSecond: 11, oneMs: 170, fanOut100Ms: 803, startMs: 3500 };

/** When the first activity of the orchestration under measurement ran. */
let firstActivityAt = 0;

const app = await loadFunctionApp(() => {
  df.app.activity('work', {
    handler: (n: unknown) => {
      if (n === 0) firstActivityAt = performance.now();
      return n;
    },
  });
  df.app.orchestration('sequence', function* (context: OrchestrationContext) {
    const count = context.df.getInput<number>();
    for (let i = 0; i < count; i += 1) yield context.df.callActivity('work', i);
    return count;
  });
  df.app.orchestration('fanOut', function* (context: OrchestrationContext) {
    const count = context.df.getInput<number>();
    const results = (yield context.df.Task.all(Array.from({ length: count }, (_, i) => context.df.callActivity('work', i)))) as number[];
    return results.length;
  });
  df.app.entity('tally', (context: EntityContext<number>) => {
    context.df.setState((context.df.getState(() => 0) ?? 0) + 1);
  });
});

interface Bench {
  engine: DurableEngine;
  store: Store;
  start(name: string, input: unknown, id: string): Promise<void>;
  ended(id: string): boolean;
  stop(): Promise<void>;
}

async function open(store: Store, on: FunctionApp = app): Promise<Bench> {
  const clock = createSystemClock();
  const engine = createDurableEngine({ app: on, clock, store, settings: { hubName: 'Bench' }, baseUrl: () => 'http://localhost' });
  await engine.start();
  return {
    engine,
    store,
    async start(name, input, id) {
      const body = JSON.stringify(input);
      const response = await engine.fetch(
        new Request(`http://localhost/durabletask/orchestrators/${name}/${id}`, { method: 'POST', body }),
      );
      if (response?.status !== 202) throw new Error(`start gave ${response?.status}`);
    },
    ended(id) {
      const state = store.get(id);
      return state?.kind === 'orchestration' && state.status === 'Completed';
    },
    async stop() {
      await engine.stop();
      clock.close();
    },
  };
}

const folders: string[] = [];
function journal(): Store {
  const dir = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'bench-host-'));
  folders.push(dir);
  return openJournalStore({ dir });
}

async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

const percentile = (values: number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0;
const round = (value: number, digits = 1): number => Number(value.toFixed(digits));

async function throughput(store: Store, count: number): Promise<{ perSecond: number; cpuMsEach: number; megabytes: number }> {
  const bench = await open(store);
  for (let i = 0; i < 50; i += 1) await bench.start('sequence', 5, `warm-${i}`);
  await bench.engine.idle();
  const before = process.memoryUsage().rss;
  const cpu = process.cpuUsage();
  const ms = await timed(async () => {
    await Promise.all(Array.from({ length: count }, (_, i) => bench.start('sequence', 5, `t-${i}`)));
    await bench.engine.idle();
  });
  const used = process.cpuUsage(cpu);
  for (let i = 0; i < count; i += 1) if (!bench.ended(`t-${i}`)) throw new Error(`t-${i} did not end`);
  const megabytes = (process.memoryUsage().rss - before) / 1e6;
  await bench.stop();
  return {
    perSecond: round((count / ms) * 1000, 0),
    cpuMsEach: round((used.user + used.system) / 1000 / count, 2),
    megabytes: round(megabytes),
  };
}

async function single(store: Store): Promise<{ p50: number; p99: number; firstActivityP50: number; firstActivityP99: number }> {
  const bench = await open(store);
  const whole: number[] = [];
  const first: number[] = [];
  for (let i = 0; i < 120; i += 1) {
    const id = `s-${i}`;
    const start = performance.now();
    await bench.start('sequence', 5, id);
    while (!bench.ended(id)) await new Promise((resolve) => setImmediate(resolve));
    first.push(firstActivityAt - start);
    if (i >= 20) whole.push(performance.now() - start);
  }
  await bench.stop();
  return {
    p50: round(percentile(whole, 0.5)),
    p99: round(percentile(whole, 0.99)),
    firstActivityP50: round(percentile(first.slice(20), 0.5)),
    firstActivityP99: round(percentile(first.slice(20), 0.99)),
  };
}

/** The SDK alone: the trigger inputs of a sequence, one after the other, without engine and storage. */
async function sdkOnly(count: number): Promise<number> {
  const worker = new DurableWorker(app);
  const at = '2026-01-01T00:00:00.000Z';
  const history: HistoryEvent[] = [
    orchestratorStarted(at),
    executionStarted(
      { instanceId: 'x', executionId: 'e', name: 'sequence', version: null, input: String(count), parent: null, generation: 0 },
      at,
    ),
  ];
  return timed(async () => {
    for (let i = 0; i <= count; i += 1) {
      const trigger = JSON.stringify({
        history,
        input: count,
        instanceId: 'x',
        isReplaying: i > 0,
        parentInstanceId: null,
        upperSchemaVersion: 1,
        upperSchemaVersionNew: 2,
        longRunningTimerIntervalDuration: '3.00:00:00',
        maximumShortTimerDuration: '6.00:00:00',
        defaultHttpAsyncRequestSleepTimeMillseconds: 30000,
      });
      await worker.orchestrate('sequence', trigger);
      history.push(taskScheduled(i, 'work', at), orchestratorCompleted(at), orchestratorStarted(at), taskCompleted(i, String(i), at));
    }
  });
}

async function sequences(): Promise<{ activities: number; engineMs: number; sdkMs: number; ratio: number }[]> {
  const rows = [];
  for (const activities of [50, 100, 200, 400]) {
    await sdkOnly(activities);
    const sdkMs = Math.min(await sdkOnly(activities), await sdkOnly(activities));
    const bench = await open(createMemoryStore());
    const once = async (id: string): Promise<number> =>
      timed(async () => {
        await bench.start('sequence', activities, id);
        await bench.engine.idle();
      });
    const engineMs = Math.min(await once('q1'), await once('q2'), await once('q3'));
    await bench.stop();
    rows.push({ activities, engineMs: round(engineMs), sdkMs: round(sdkMs), ratio: round(engineMs / sdkMs, 2) });
  }
  return rows;
}

async function fanOut(store: Store, width: number): Promise<number> {
  const bench = await open(store);
  await bench.start('fanOut', width, 'warm');
  await bench.engine.idle();
  const ms = await timed(async () => {
    await bench.start('fanOut', width, 'f');
    await bench.engine.idle();
  });
  await bench.stop();
  return round(ms);
}

async function signals(store: Store, count: number): Promise<number> {
  const bench = await open(store);
  const ms = await timed(async () => {
    await Promise.all(
      Array.from({ length: count }, () =>
        bench.engine.fetch(new Request('http://localhost/durabletask/entities/tally/one?op=add', { method: 'POST' })),
      ),
    );
    await bench.engine.idle();
  });
  await bench.stop();
  return round((count / ms) * 1000, 0);
}

/** Cost of one more orchestration of 5 activities while more and more instances are stored, and the restart at the end. */
async function growth(): Promise<{ curve: { stored: number; msEach: number }[]; restartMs: number; restartFirstMs: number }> {
  const dir = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'bench-host-'));
  folders.push(dir);
  const bench = await open(openJournalStore({ dir }));
  const curve = [];
  let stored = 0;
  for (const target of [1_000, 2_000, 4_000, 6_000, 8_000, 10_000]) {
    while (stored < target) {
      await Promise.all(Array.from({ length: 250 }, (_, i) => bench.start('sequence', 5, `g-${stored + i}`)));
      stored += 250;
      await bench.engine.idle();
    }
    const probes = 250;
    const ms = await timed(async () => {
      await Promise.all(Array.from({ length: probes }, (_, i) => bench.start('sequence', 5, `probe-${target}-${i}`)));
      await bench.engine.idle();
    });
    curve.push({ stored: target, msEach: round(ms / probes, 2) });
  }
  await bench.stop();
  let again: Bench | undefined;
  const restartMs = await timed(async () => {
    again = await open(openJournalStore({ dir }));
  });
  const restartFirstMs = await timed(async () => {
    await again?.start('sequence', 1, 'after');
    await again?.engine.idle();
  });
  if ([...(again?.store.all() ?? [])].length < 10_000) throw new Error('instances are missing after the restart');
  await again?.stop();
  return { curve, restartMs: round(restartMs), restartFirstMs: round(restartFirstMs) };
}

const started = performance.now();
const empty = await open(journal());
const startMs = round(performance.now() - started);
await empty.stop();

const results = {
  startMs,
  memory: {
    ...(await throughput(createMemoryStore(), 1000)),
    single: await single(createMemoryStore()),
    fanOut1000Ms: await fanOut(createMemoryStore(), 1000),
    signalsPerSecond: await signals(createMemoryStore(), 5000),
  },
  disk: {
    ...(await throughput(journal(), 1000)),
    single: await single(journal()),
    fanOut100Ms: await fanOut(journal(), 100),
    fanOut1000Ms: await fanOut(journal(), 1000),
    signalsPerSecond: await signals(journal(), 5000),
  },
  sequences: await sequences(),
  growth: await growth(),
};
for (const folder of folders) rmSync(folder, { recursive: true, force: true });

if (process.argv.includes('--json')) console.log(JSON.stringify(results));
else {
  const { memory, disk, growth: grown } = results;
  console.log(
    `1,000 orchestrations of 5 activities   memory ${memory.perSecond}/s (+${memory.megabytes} MB)   disk ${disk.perSecond}/s (+${disk.megabytes} MB)   genuine host ${genuine.perSecond}/s`,
  );
  console.log(
    `  times the genuine host               memory ${round(memory.perSecond / genuine.perSecond)}x   disk ${round(disk.perSecond / genuine.perSecond)}x`,
  );
  console.log(
    `  processor time for each, ms          memory ${memory.cpuMsEach}   disk ${disk.cpuMsEach}   (independent of what else the machine does)`,
  );
  console.log(
    `one orchestration of 5 activities, ms  memory p50 ${memory.single.p50} p99 ${memory.single.p99}   disk p50 ${disk.single.p50} p99 ${disk.single.p99}   genuine host ${genuine.oneMs}`,
  );
  console.log(
    `start to first activity, ms            memory p50 ${memory.single.firstActivityP50} p99 ${memory.single.firstActivityP99}   disk p50 ${disk.single.firstActivityP50} p99 ${disk.single.firstActivityP99}`,
  );
  console.log(
    `fan-out, ms                            1,000: memory ${memory.fanOut1000Ms}   disk ${disk.fanOut1000Ms}   100: disk ${disk.fanOut100Ms}, genuine host ${genuine.fanOut100Ms}`,
  );
  console.log(`signals to one entity per second       memory ${memory.signalsPerSecond}   disk ${disk.signalsPerSecond}`);
  for (const row of results.sequences)
    console.log(
      `sequence of ${String(row.activities).padStart(3)} activities, ms         engine ${row.engineMs}   SDK alone ${row.sdkMs}   ratio ${row.ratio}`,
    );
  for (const point of grown.curve)
    console.log(`${String(point.stored).padStart(6)} instances stored                ${point.msEach} ms for one more orchestration`);
  console.log(
    `restart with 11,500 instances          ready in ${grown.restartMs} ms, one orchestration ${grown.restartFirstMs} ms   empty folder ${startMs} ms, genuine host ${genuine.startMs} ms`,
  );
}
