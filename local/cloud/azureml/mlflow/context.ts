// What the routes of MLflow work with. They throw `MlflowError`; the router turns it into the answer.
import type { CloudContext, WorkspacePart } from '../api/context.ts';
import type { Caller } from '../identity/tokens.ts';
import type { ArtifactFiles } from '../artifacts/artifact-files.ts';
import type { Fields } from './fields.ts';

/** One call of MLflow on a workspace. */
export interface MlflowCall {
  readonly context: CloudContext;
  readonly workspace: WorkspacePart;
  readonly caller: Caller;
  readonly artifacts: ArtifactFiles;
  readonly fields: Fields;
  /** Root of addresses: `azureml://{host}/mlflow/v2.0/{scope}`. */
  readonly root: string;
}

/** Answers with the body of the 200; a call without an answer gives `{}`. */
export type MlflowRoute = (call: MlflowCall) => object;
