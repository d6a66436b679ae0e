// The composition root: configuration → ports → activities → registration. The Functions host loads this file and nothing else.
import { app } from '@azure/functions';
import * as df from 'durable-functions';
import type { Policy } from '../shared/contracts/stories.ts';
import { loadConfig } from '../shared/config/config.ts';
import { registerStories } from '../orchestrations/register.ts';
import { dataActivities } from './activities/data.ts';
import { extractionActivities } from './activities/extraction.ts';
import { handOverActivities } from './activities/hand-over.ts';
import { runActivities } from './activities/runs.ts';
import { servingActivities } from './activities/serving.ts';
import { trainingActivities } from './activities/training.ts';
import { windowActivities } from './activities/windows.ts';
import { checkConfig, createPorts, handOverRule } from './ports.ts';
import { registerApi } from './register-api.ts';
import { dataLanded } from './triggers/data-landed.ts';
import { withReportSignals } from '../shared/decisions/report-landed.ts';
import { createStarter } from './triggers/durable-starter.ts';
import { createIntake, type IntakeDeps } from './triggers/intake.ts';
import { landingPoisoned } from './triggers/landing-poisoned.ts';
import type { MessageDeps } from './triggers/message.ts';
import { deadLetterDrain } from './triggers/timers/dead-letters.ts';
import { everyMinute } from './triggers/timers/every-minute.ts';
import { reconciler } from './triggers/timers/reconcile.ts';
import { retentionTimer } from './triggers/timers/retention.ts';

const QUEUE = 'landing-events';
/** A pre-signed upload lives a quarter of an hour. */
const SIGNED_URL_SECONDS = 900;

const config = loadConfig();
checkConfig(config);
const ports = createPorts(config);
const now = (): Date => new Date();
const policy: Policy = {
  pollFirstSeconds: config.poll.firstSeconds,
  pollMaxSeconds: config.poll.maxSeconds,
  pollMaxHintedSeconds: config.poll.maxHintedSeconds,
  signedUrlSeconds: SIGNED_URL_SECONDS,
  ...handOverRule(config),
};

registerStories();
for (const { name, handler } of [
  ...dataActivities(ports),
  ...windowActivities(ports),
  ...extractionActivities(ports),
  ...handOverActivities(ports),
  ...runActivities(ports),
  ...trainingActivities(ports),
  ...servingActivities(ports),
]) {
  df.app.activity(name, { handler });
}

const intakeDeps: IntakeDeps = {
  ...ports,
  lake: { account: config.lake.account, container: config.lake.container },
  readCommit: (container, path, eTag) => ports.lake.readCommit(container, path, eTag),
  policy,
  now,
};
const intake = createIntake(intakeDeps);
const messages: MessageDeps = {
  ...ports,
  intake,
  deserialize: async (body) => {
    const { deserializeEvents } = await import('../shared/adapters/eventgrid/deserialize.ts');
    return withReportSignals(await deserializeEvents(body), config.state.container);
  },
  now,
};
const takeMessage = dataLanded({ ...intakeDeps, store: ports.store, deserialize: messages.deserialize, intake });
const client = df.input.durableClient();
app.storageQueue('data-landed', {
  queueName: QUEUE,
  connection: 'LandingEvents',
  extraInputs: [client],
  handler: (message, context) => takeMessage(message, createStarter(df.getClient(context)), context),
});

const tick = everyMinute({ ...ports, intake, now });
app.timer('every-minute', {
  schedule: '0 * * * * *',
  extraInputs: [client],
  handler: (_timer, context) => tick(createStarter(df.getClient(context)), context),
});

const reconcile = reconciler({ ...ports, intake, now });
app.timer('reconcile', {
  schedule: '20 */10 * * * *',
  extraInputs: [client],
  handler: async (_timer, context) => void (await reconcile(createStarter(df.getClient(context)), context)),
});
const retain = retentionTimer({ ...ports, now });
app.timer('retention', { schedule: '50 17 * * * *', handler: async (_timer, context) => void (await retain(context)) });
const drain = deadLetterDrain({ ...messages, deadLetters: ports.deadLetters });
app.timer('dead-letters', {
  schedule: '40 */10 * * * *',
  extraInputs: [client],
  handler: async (_timer, context) => void (await drain(createStarter(df.getClient(context)), context)),
});

const takePoison = landingPoisoned(messages);
app.storageQueue('landing-poisoned', {
  queueName: `${QUEUE}-poison`,
  connection: 'LandingEvents',
  extraInputs: [client],
  handler: (message, context) =>
    takePoison(message, Number(context.triggerMetadata?.['dequeueCount'] ?? 1), createStarter(df.getClient(context)), context),
});

registerApi({ config, ports, policy, now, queue: QUEUE });
