// The eight control-plane calls that Sluice makes: each request checked against the service's own shape, each failure one of ours.
// "Absent" is null here, because looking first is how everything below works.
import {
  CreateEndpointCommand,
  type CreateEndpointCommandInput,
  CreateEndpointConfigCommand,
  type CreateEndpointConfigCommandInput,
  CreateModelCommand,
  type CreateModelCommandInput,
  DeleteEndpointCommand,
  DescribeEndpointCommand,
  type DescribeEndpointCommandOutput,
  DescribeEndpointConfigCommand,
  type DescribeEndpointConfigCommandOutput,
  DescribeModelCommand,
  type DescribeModelCommandOutput,
  type SageMakerClient,
  UpdateEndpointCommand,
  type UpdateEndpointCommandInput,
} from '@aws-sdk/client-sagemaker';
import { checkClosedWorld } from './closed-world.ts';
import { isBusy, isConfigAbsent, isEndpointAbsent, isExisting, isModelAbsent, translate } from './errors.ts';

export interface SagemakerApi {
  model(name: string): Promise<DescribeModelCommandOutput | null>;
  config(name: string): Promise<DescribeEndpointConfigCommandOutput | null>;
  endpoint(name: string): Promise<DescribeEndpointCommandOutput | null>;
  /** `exists`: something of this name is there, perhaps by a lost answer of ours. There is no idempotency token (facts/sagemaker.md §0.3). */
  createModel(input: CreateModelCommandInput): Promise<'created' | 'exists'>;
  createConfig(input: CreateEndpointConfigCommandInput): Promise<'created' | 'exists'>;
  createEndpoint(input: CreateEndpointCommandInput): Promise<'created' | 'exists'>;
  /** `busy`: another change is under way, perhaps ours after a lost answer. */
  updateEndpoint(input: UpdateEndpointCommandInput): Promise<'updating' | 'busy'>;
  deleteEndpoint(name: string): Promise<'deleting' | 'absent' | 'busy'>;
}

export function createApi(client: SageMakerClient): SagemakerApi {
  return {
    model: (name) =>
      attempt(() => client.send(new DescribeModelCommand({ ModelName: name })), `describe model "${name}"`, [isModelAbsent, null]),
    config: (name) =>
      attempt(
        () => client.send(new DescribeEndpointConfigCommand({ EndpointConfigName: name })),
        `describe endpoint configuration "${name}"`,
        [isConfigAbsent, null],
      ),
    endpoint: (name) =>
      attempt(() => client.send(new DescribeEndpointCommand({ EndpointName: name })), `describe endpoint "${name}"`, [
        isEndpointAbsent,
        null,
      ]),
    createModel: (input) => {
      checkClosedWorld('CreateModel', input);
      const send = async () => (await client.send(new CreateModelCommand(input)), 'created' as const);
      return attempt(send, `create model "${input.ModelName}"`, [isExisting, 'exists' as const]);
    },
    createConfig: (input) => {
      checkClosedWorld('CreateEndpointConfig', input);
      const send = async () => (await client.send(new CreateEndpointConfigCommand(input)), 'created' as const);
      return attempt(send, `create endpoint configuration "${input.EndpointConfigName}"`, [isExisting, 'exists' as const]);
    },
    createEndpoint: (input) => {
      checkClosedWorld('CreateEndpoint', input);
      const send = async () => (await client.send(new CreateEndpointCommand(input)), 'created' as const);
      return attempt(send, `create endpoint "${input.EndpointName}"`, [isExisting, 'exists' as const]);
    },
    updateEndpoint: (input) => {
      checkClosedWorld('UpdateEndpoint', input);
      const send = async () => (await client.send(new UpdateEndpointCommand(input)), 'updating' as const);
      return attempt(send, `update endpoint "${input.EndpointName}"`, [isBusy, 'busy' as const]);
    },
    deleteEndpoint: (name) => {
      const send = async () => (await client.send(new DeleteEndpointCommand({ EndpointName: name })), 'deleting' as const);
      return attempt(send, `delete endpoint "${name}"`, [isEndpointAbsent, 'absent' as const], [isBusy, 'busy' as const]);
    },
  };
}

/** Sends, and gives the stated answer for an error that is one; any other error is thrown as one of ours. */
async function attempt<Output, Answer>(
  send: () => Promise<Output>,
  doing: string,
  ...answers: [(error: unknown) => boolean, Answer][]
): Promise<Output | Answer> {
  try {
    return await send();
  } catch (error) {
    const answer = answers.find(([recognises]) => recognises(error));
    if (answer) return answer[1];
    throw translate(error, doing);
  }
}
