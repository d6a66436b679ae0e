// What SageMaker may do while it serves: fetch this bucket's models and these images, write its own logs and metrics.
// No other bucket, no other image, nothing that changes anything.
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { AwsInfraSettings } from './settings.ts';

export function executionStatements(settings: AwsInfraSettings, bucketArn: string): PolicyStatement[] {
  const { account, region } = settings;
  const logs = `arn:aws:logs:${region}:${account}:log-group:/aws/sagemaker/Endpoints/*`;
  return [
    new PolicyStatement({ sid: 'FetchModels', actions: ['s3:GetObject'], resources: [`${bucketArn}/models/*`] }),
    new PolicyStatement({
      sid: 'FindModels',
      actions: ['s3:ListBucket'],
      resources: [bucketArn],
      conditions: { StringLike: { 's3:prefix': 'models/*' } },
    }),
    new PolicyStatement({
      sid: 'PullImages',
      actions: ['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'],
      resources: settings.imageRepositories.map((name) => `arn:aws:ecr:${region}:${account}:repository/${name}`),
    }),
    // Has no resource of its own: it only gives a login for the registry.
    new PolicyStatement({ sid: 'LogIntoRegistry', actions: ['ecr:GetAuthorizationToken'], resources: ['*'] }),
    new PolicyStatement({
      sid: 'WriteLogs',
      actions: ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:DescribeLogStreams', 'logs:PutLogEvents'],
      resources: [logs],
    }),
    // Has no resource either; the namespaces are SageMaker's.
    new PolicyStatement({
      sid: 'WriteMetrics',
      actions: ['cloudwatch:PutMetricData'],
      resources: ['*'],
      conditions: { StringEquals: { 'cloudwatch:namespace': ['AWS/SageMaker', '/aws/sagemaker/Endpoints'] } },
    }),
  ];
}
