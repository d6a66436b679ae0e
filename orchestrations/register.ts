// The stories and entities by the names that instances are told by: registered the same by the app and by everything that tries it.
import * as df from 'durable-functions';
import { adopt } from './adopt.ts';
import { awaitExtraction } from './await-extraction.ts';
import { awaitJob } from './await-job.ts';
import { awaitTurn } from './await-turn.ts';
import { collect } from './collect.ts';
import { extract } from './extract.ts';
import { ENDPOINT_LOCK, endpointLock } from './kit/lock.ts';
import { TRAINING_TURN, trainingTurn } from './kit/turn.ts';
import { JOIN, joinEntity, WINDOW, windowEntity } from './kit/window.ts';
import { land } from './land.ts';
import { promote } from './promote.ts';
import { refine } from './refine.ts';
import { retrain } from './retrain.ts';
import { sweepTrial } from './sweep-trial.ts';
import { sweep } from './sweep.ts';
import { train } from './train.ts';

const STORIES = {
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
};

/** Registers every story and entity with the Durable SDK of this process. */
export function registerStories(): void {
  for (const [name, story] of Object.entries(STORIES)) df.app.orchestration(name, story);
  df.app.entity(ENDPOINT_LOCK, endpointLock);
  df.app.entity(TRAINING_TURN, trainingTurn);
  df.app.entity(WINDOW, windowEntity);
  df.app.entity(JOIN, joinEntity);
}
