// The composition root: configuration → ports → activities → registration. The Functions host loads this file and nothing else.
import { app } from '@azure/functions';
import * as df from 'durable-functions';
import type { Policy } from '../shared/contracts/stories.ts';
import { loadConfig } from '../shared/config/config.ts';
import { adopt } from '../orchestrations/adopt.ts';
import { awaitJob } from '../orchestrations/await-job.ts';
import { awaitTurn } from '../orchestrations/await-turn.ts';
import { collect } from '../orchestrations/collect.ts';
import { awaitExtraction } from '../orchestrations/await-extraction.ts';
import { extract } from '../orchestrations/extract.ts';
import { endpointLock, ENDPOINT_LOCK } from '../orchestrations/kit/lock.ts';
import { TRAINING_TURN, trainingTurn } from '../orchestrations/kit/turn.ts';
import { JOIN, joinEntity, WINDOW, windowEntity } from '../orchestrations/kit/window.ts';
import { land } from '../orchestrations/land.ts';
import { promote } from '../orchestrations/promote.ts';
import { refine } from '../orchestrations/refine.ts';
import { retrain } from '../orchestrations/retrain.ts';
import { sweep } from '../orchestrations/sweep.ts';
import { sweepTrial } from '../orchestrations/sweep-trial.ts';
import { train } from '../orchestrations/train.ts';
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

for (const [name, story] of Object.entries({
  land,
  adopt,
  collect,
  retrain,
  extract,
  refine,
  train,
  promote,
  'await-job': awaitJob,
  'await-extraction': awaitExtraction,
  'await-turn': awaitTurn,
  sweep,
  'sweep-trial': sweepTrial,
}))
  df.app.orchestration(name, story);
df.app.entity(ENDPOINT_LOCK, endpointLock);
df.app.entity(TRAINING_TURN, trainingTurn);
df.app.entity(WINDOW, windowEntity);
df.app.entity(JOIN, joinEntity);
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
