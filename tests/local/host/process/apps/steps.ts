// The app that the process tests build and run: a queue message starts three steps; each step writes a line to a file of its own.
// A step waits for a gate file, so that a test can end the host at an exact point.
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { app, type HttpRequest, type InvocationContext } from '@azure/functions';
import * as df from 'durable-functions';

const out = process.env['OUT_DIR'] ?? '.';

interface Step {
  id: string;
  step: number;
}

async function gate(name: string): Promise<void> {
  writeFileSync(join(out, `${name}.waiting`), '');
  while (!existsSync(join(out, `${name}.open`))) await new Promise((resolve) => setTimeout(resolve, 10));
}

df.app.activity('work', {
  handler: async ({ id, step }: Step) => {
    appendFileSync(join(out, `${id}-${step}.begun`), `${process.pid}\n`);
    await gate(`${id}-${step}`);
    appendFileSync(join(out, `${id}-${step}.done`), `${process.pid}\n`);
    return step * 10;
  },
});

df.app.orchestration('steps', function* (context) {
  const { id } = context.df.getInput<Step>();
  let sum = 0;
  for (const step of [1, 2, 3]) sum += (yield context.df.callActivity('work', { id, step })) as number;
  return { id, sum };
});

df.app.client.storageQueue('inbox', {
  queueName: '%INBOX%',
  connection: 'Lake',
  handler: async (entry: unknown, client: df.DurableClient, context: InvocationContext) => {
    const { id, hold } = entry as { id: string; hold?: boolean };
    appendFileSync(join(out, `${id}.message`), `${String(context.triggerMetadata?.['dequeueCount'])}\n`);
    if (hold) await gate(id);
    if ((await client.getStatus(id).catch(() => undefined)) === undefined)
      await client.startNew('steps', { instanceId: id, input: { id } });
    context.log(`started ${id}`);
  },
});

app.get('slow', {
  handler: async (request: HttpRequest) => {
    await gate(request.query.get('gate') ?? 'slow');
    return { body: 'finished' };
  },
});

app.get('settings', {
  handler: () => ({ jsonBody: { A: process.env['A'], B: process.env['B'], host: process.env['WEBSITE_HOSTNAME'], folder: process.cwd() } }),
});

app.hook.appTerminate(() => writeFileSync(join(out, 'terminated'), ''));
