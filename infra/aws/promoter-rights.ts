// What Sluice may do in AWS: exactly the calls of shared/adapters/sagemaker, on names that begin as agreed (facts/sagemaker.md §3.8).
// tests/infra/aws.test.ts compares this list with the SDK commands in the code.
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { AwsInfraSettings } from './settings.ts';

/** Sluice puts this tag on everything that it makes. */
const OWN = 'sluice:run';
const CREATING = ['CreateModel', 'CreateEndpointConfig', 'CreateEndpoint'];

export function promoterStatements(settings: AwsInfraSettings, bucketArn: string, executionRoleArn: string): PolicyStatement[] {
  const named = (kind: string): string[] =>
    settings.endpointPrefixes.map((prefix) => `arn:aws:sagemaker:${settings.region}:${settings.account}:${kind}/${prefix}*`);
  const [models, configs, endpoints] = [named('model'), named('endpoint-config'), named('endpoint')];
  const made = { StringLike: { [`aws:RequestTag/${OWN}`]: '*' } };
  const ours = { StringLike: { [`aws:ResourceTag/${OWN}`]: '*' } };
  const allow = (sid: string, actions: string[], resources: string[], conditions: Record<string, unknown> = {}): PolicyStatement =>
    new PolicyStatement({ sid, actions, resources, conditions });

  return [
    allow(
      'Look',
      ['sagemaker:DescribeModel', 'sagemaker:DescribeEndpointConfig', 'sagemaker:DescribeEndpoint'],
      [...models, ...configs, ...endpoints],
    ),
    // A served container reaches no network: its data are the request and the model.
    allow('MakeModels', ['sagemaker:CreateModel'], models, { ...made, Bool: { 'sagemaker:NetworkIsolation': 'true' } }),
    // Creating an endpoint is authorised on its configuration too.
    allow('MakeEndpoints', ['sagemaker:CreateEndpointConfig', 'sagemaker:CreateEndpoint'], [...configs, ...endpoints], made),
    allow('ChangeOwnEndpoints', ['sagemaker:UpdateEndpoint', 'sagemaker:DeleteEndpoint'], [...configs, ...endpoints], ours),
    // Tags only while making: otherwise Sluice could tag what is not its own and then change it.
    allow('Tag', ['sagemaker:AddTags'], [...models, ...configs, ...endpoints], { StringEquals: { 'sagemaker:TaggingAction': CREATING } }),
    allow('Validate', ['sagemaker:InvokeEndpoint'], endpoints),
    allow('LendExecutionRole', ['iam:PassRole'], [executionRoleArn], {
      StringEquals: { 'iam:PassedToService': 'sagemaker.amazonaws.com' },
    }),
    allow('LookAtModels', ['s3:GetObject'], [`${bucketArn}/models/*`]),
    allow('SignUploads', ['s3:PutObject'], [`${bucketArn}/models/*`]),
    // Without it an object that is not there looks forbidden. No condition on the prefix: a HEAD has none.
    allow('TellAbsentFromForbidden', ['s3:ListBucket'], [bucketArn]),
  ];
}
