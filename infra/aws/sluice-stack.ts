// AWS for Sluice: trust in one Entra identity, a role for promoting, a role for serving, and the bucket between them.
// No key is made or stored: the way in is AssumeRoleWithWebIdentity (facts/sagemaker.md §3).
import { CfnOutput, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { CfnOIDCProvider, type IRole, Role, ServicePrincipal, WebIdentityPrincipal } from 'aws-cdk-lib/aws-iam';
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { executionStatements } from './execution-rights.ts';
import { promoterStatements } from './promoter-rights.ts';
import type { AwsInfraSettings } from './settings.ts';

export class SluiceStack extends Stack {
  constructor(scope: Construct, id: string, settings: AwsInfraSettings) {
    const { account, region } = settings;
    super(scope, id, { env: { account, region }, description: 'Sluice: where models are served', tags: { application: settings.name } });

    const bucket = this.modelBucket(settings);
    const execution = this.executionRole(settings, bucket);
    const promoter = this.promoterRole(settings, bucket, execution);

    new CfnOutput(this, 'PromoterRoleArn', {
      value: promoter.roleArn,
      description: 'SLUICE_AWS_ROLE_ARN, parameter aws.roleArn of infra/azure',
    });
    new CfnOutput(this, 'Audience', { value: settings.audience, description: 'SLUICE_AWS_AUDIENCE, parameter aws.audience' });
    new CfnOutput(this, 'ExecutionRoleArn', { value: execution.roleArn, description: 'roleArn of the targets in sluice.yaml' });
    new CfnOutput(this, 'ModelBucket', { value: bucket.bucketName, description: 'bucket of the targets in sluice.yaml' });
  }

  private modelBucket(settings: AwsInfraSettings): Bucket {
    return new Bucket(this, 'Models', {
      bucketName: settings.bucket,
      versioned: true,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      // An upload that was broken off is paid for until somebody ends it.
      lifecycleRules: [{ id: 'end-broken-uploads', abortIncompleteMultipartUploadAfter: Duration.days(1) }],
      // What an endpoint serves must outlive a mistake with the stack.
      removalPolicy: RemovalPolicy.RETAIN,
    });
  }

  private executionRole(settings: AwsInfraSettings, bucket: Bucket): Role {
    const role = new Role(this, 'Execution', {
      roleName: `${settings.name}-execution`,
      description: 'SageMaker serves models of Sluice with it',
      assumedBy: new ServicePrincipal('sagemaker.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': settings.account } },
      }),
    });
    for (const statement of executionStatements(settings, bucket.bucketArn)) role.addToPolicy(statement);
    return role;
  }

  private promoterRole(settings: AwsInfraSettings, bucket: Bucket, execution: IRole): Role {
    // Tokens of version 1: this issuer, with its trailing slash (facts/sagemaker.md §3.2).
    const issuer = `sts.windows.net/${settings.tenantId}/`;
    const providerArn =
      settings.providerArn ?? new CfnOIDCProvider(this, 'Entra', { url: `https://${issuer}`, clientIdList: [settings.audience] }).attrArn;
    const role = new Role(this, 'Promoter', {
      roleName: `${settings.name}-promoter`,
      description: "Sluice's managed identity uploads and promotes models with it",
      maxSessionDuration: Duration.hours(1),
      // The audience alone would let in every identity that may ask for a token of this application.
      assumedBy: new WebIdentityPrincipal(providerArn, {
        StringEquals: { [`${issuer}:aud`]: settings.audience, [`${issuer}:sub`]: settings.subject },
      }),
    });
    for (const statement of promoterStatements(settings, bucket.bucketArn, execution.roleArn)) role.addToPolicy(statement);
    return role;
  }
}
