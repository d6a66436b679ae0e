// A host process of its own that runs the story over a data folder and, when told so, kills itself at one journal write.
// Arguments: data folder, log file, number of the write (0 = never), moment: before | half | written | synced.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createSystemClock } from '../../../../../local/host/clock/system-clock.ts';
import { loadFunctionApp } from '../../../../../local/host/core/function-app.ts';
import { createDurableEngine } from '../../../../../local/host/durable/engine.ts';
import { type DiskPort, nodeDisk } from '../../../../../local/host/durable/journal-disk.ts';
import { openJournalStore } from '../../../../../local/host/durable/journal-store.ts';
import type { Store } from '../../../../../local/host/durable/store.ts';
import { registerStory } from './story.ts';

const [dir = '', log = '', writeNumber = '0', moment = ''] = process.argv.slice(2);
const deadline = setTimeout(() => {
  console.log('the story did not end in time');
  process.exit(3);
}, 20_000);

const die = (): void => {
  process.kill(process.pid, 'SIGKILL');
};
let writes = 0;
const disk: DiskPort = {
  ...nodeDisk,
  async openAppend(path) {
    const file = await nodeDisk.openAppend(path);
    return {
      ...file,
      async write(bytes, at) {
        writes += 1;
        const last = writes === Number(writeNumber);
        if (last && moment === 'before') die();
        if (last && moment === 'half') {
          await file.write(bytes.subarray(0, Math.max(1, bytes.length >> 1)), at);
          die();
        }
        await file.write(bytes, at);
        if (last && moment === 'written') die();
      },
      async sync() {
        await file.sync();
        if (writes === Number(writeNumber) && moment === 'synced') die();
      },
    };
  },
};

/** Notes in the log which activities the journal holds as done, once it does. */
function noting(store: Store): Store {
  const labels = new Map<string, string>();
  const note = (id: string, activities: Record<string, { input?: string }> | undefined): void => {
    for (const [taskId, { input }] of Object.entries(activities ?? {}))
      labels.set(`${id}/${taskId}`, (JSON.parse(input ?? '{}') as { label: string }).label);
  };
  return {
    open: async () => {
      await store.open();
      for (const state of store.all()) if (state.kind === 'orchestration') note(state.id, state.activities);
    },
    get: (id) => store.get(id),
    all: () => store.all(),
    history: (id) => store.history(id),
    flushed: () => store.flushed(),
    blocked: () => store.blocked(),
    close: () => store.close(),
    async commit(transaction) {
      const done: string[] = [];
      for (const patch of transaction) {
        if (patch.op === 'step') note(patch.id, patch.activities);
        // A failed attempt of a retried activity is done as well, but its label runs again by right.
        if (patch.op === 'send' && patch.endsActivity !== undefined && patch.message.event.EventType === 5) {
          done.push(labels.get(`${patch.id}/${patch.endsActivity}`) ?? '?');
        }
      }
      await store.commit(transaction);
      for (const label of done) appendFileSync(log, `recorded ${label}\n`);
    },
  };
}

const app = await loadFunctionApp(() => registerStory(log));
const engine = createDurableEngine({
  app,
  clock: createSystemClock(),
  store: noting(openJournalStore({ dir, disk, compactBytes: 6_000 })),
  settings: { hubName: 'Story' },
  baseUrl: () => 'http://localhost',
});
await engine.start();

async function call(
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; json: { runtimeStatus?: string; customStatus?: unknown; output?: unknown } }> {
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
  const response = await engine.fetch(new Request(`http://localhost/runtime/webhooks/durabletask/${path}`, init));
  const text = (await response?.text()) ?? '';
  return { status: response?.status ?? 0, json: text === '' ? {} : (JSON.parse(text) as { runtimeStatus?: string }) };
}

const acknowledged = existsSync(log) && readFileSync(log, 'utf8').includes('event acknowledged');
let raised = acknowledged;
for (;;) {
  const { status, json } = await call('GET', 'instances/s');
  if (status === 404) await call('POST', 'orchestrators/story/s', { rounds: 0 });
  if (!raised && json.customStatus === 'waiting') {
    raised = true;
    const answer = await call('POST', 'instances/s/raiseEvent/Go', { go: true });
    if (answer.status === 202) appendFileSync(log, 'event acknowledged\n');
  }
  if (json.runtimeStatus === 'Completed' || json.runtimeStatus === 'Failed') {
    const history = (await call('GET', 'instances/s?showHistory=true')).json as { historyEvents?: unknown };
    await engine.stop();
    console.log(JSON.stringify({ status: json.runtimeStatus, output: json.output, writes, history: history.historyEvents }));
    clearTimeout(deadline);
    process.exit(0);
  }
  await new Promise((resolve) => setTimeout(resolve, 3));
}
