// A typo in a request is an error of ours before it is sent; the SDK would drop it without a word.
import { CreateEndpointCommand, SageMakerClient } from '@aws-sdk/client-sagemaker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CloudServer, serve } from '../../../../local/cloud/kit/server.ts';
import { checkClosedWorld } from '../../../../shared/adapters/sagemaker/closed-world.ts';

let server: CloudServer;
let sent: unknown;
beforeAll(async () => {
  server = await serve(async (request) => {
    sent = await request.json();
    return new Response('{"EndpointArn":"arn"}', { headers: { 'content-type': 'application/x-amz-json-1.1' } });
  });
});
afterAll(() => server.close());

const variant = { VariantName: 'main', ModelName: 'm', InstanceType: 'ml.m5.large', InitialInstanceCount: 1, InitialVariantWeight: 1 };
const update = {
  EndpointName: 'e',
  EndpointConfigName: 'c',
  DeploymentConfig: { BlueGreenUpdatePolicy: { TrafficRoutingConfiguration: { Type: 'ALL_AT_ONCE', WaitIntervalInSeconds: 0 } } },
};

describe('the closed world', () => {
  it('is needed: the SDK drops what it does not know', async () => {
    const client = new SageMakerClient({
      region: 'eu-central-1',
      endpoint: server.url,
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    });
    const input = { EndpointName: 'e', EndpointConfigName: 'c', DeploymentConfig: { AutoRollbackConfig: { Alarms: [] } }, Bogus: 1 };
    await client.send(new CreateEndpointCommand(input as never));

    expect(sent).toEqual({ EndpointName: 'e', EndpointConfigName: 'c', DeploymentConfig: {} });
    expect(() => checkClosedWorld('CreateEndpoint', input)).toThrow(/Bogus is unknown/);
    expect(() => checkClosedWorld('CreateEndpoint', input)).toThrow(/AutoRollbackConfig is unknown/);
  });

  it.each([
    [
      'CreateModel',
      {
        ModelName: 'm',
        PrimaryContainer: { Image: 'i', Environment: { A: 'b' } },
        ExecutionRoleArn: 'r',
        EnableNetworkIsolation: true,
        Tags: [{ Key: 'k', Value: 'v' }],
      },
    ],
    ['CreateEndpointConfig', { EndpointConfigName: 'c', ProductionVariants: [variant] }],
    [
      'UpdateEndpoint',
      { ...update, RetainAllVariantProperties: true, ExcludeRetainedVariantProperties: [{ VariantPropertyType: 'DesiredWeight' }] },
    ],
    ['UpdateEndpoint', { EndpointName: 'e', EndpointConfigName: 'c', DeploymentConfig: undefined }],
  ])('takes a good %s', (operation, input) => {
    expect(() => checkClosedWorld(operation, input)).not.toThrow();
  });

  it.each([
    ['a typo at the top', 'CreateModel', { ModelName: 'm', ExecutionRoleArm: 'r' }, /CreateModel\.ExecutionRoleArm is unknown/],
    [
      'a typo in a list',
      'CreateEndpointConfig',
      { EndpointConfigName: 'c', ProductionVariants: [{ ...variant, InstanceCount: 2 }] },
      /ProductionVariants\[0\]\.InstanceCount is unknown/,
    ],
    [
      'a typo three levels down',
      'UpdateEndpoint',
      { ...update, DeploymentConfig: { BlueGreenUpdatePolicy: { TrafficRoutingConfig: {} } } },
      /BlueGreenUpdatePolicy\.TrafficRoutingConfig is unknown.*|.*TrafficRoutingConfiguration is required/,
    ],
    ['a missing member', 'CreateEndpoint', { EndpointName: 'e' }, /EndpointConfigName is required/],
    [
      'a missing member in a list',
      'CreateEndpointConfig',
      { EndpointConfigName: 'c', ProductionVariants: [{ ModelName: 'm' }] },
      /VariantName is required/,
    ],
    ['a number for text', 'CreateEndpoint', { EndpointName: 1, EndpointConfigName: 'c' }, /EndpointName: expected text/],
    [
      'text for a number',
      'CreateEndpointConfig',
      { EndpointConfigName: 'c', ProductionVariants: [{ ...variant, InitialInstanceCount: '1' }] },
      /InitialInstanceCount: expected a number/,
    ],
    [
      'NaN',
      'CreateEndpointConfig',
      { EndpointConfigName: 'c', ProductionVariants: [{ ...variant, InitialVariantWeight: Number.NaN }] },
      /expected a number/,
    ],
    ['text for yes or no', 'CreateModel', { ModelName: 'm', EnableNetworkIsolation: 'true' }, /expected true or false/],
    ['a list for an object', 'CreateModel', { ModelName: 'm', PrimaryContainer: [] }, /PrimaryContainer: expected an object/],
    ['an object for a list', 'CreateModel', { ModelName: 'm', Tags: {} }, /Tags: expected a list/],
    [
      'a number in a map of texts',
      'CreateModel',
      { ModelName: 'm', PrimaryContainer: { Environment: { A: 1 } } },
      /Environment\.A: expected text/,
    ],
    ['an operation that does not exist', 'CreateMiracle', {}, /no schema for CreateMiracle/],
  ])('refuses %s', (_name, operation, input, message) => {
    expect(() => checkClosedWorld(operation, input)).toThrow(
      expect.objectContaining({ name: 'UnknownShapeError', message: expect.stringMatching(message) as string }),
    );
  });
});
