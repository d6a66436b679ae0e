// The AWS stack as CloudFormation would get it: whom it trusts, what it allows, and that this is what the code calls.
// Synthesised in memory; no account and no CLI are needed.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { afterAll, describe, expect, it } from 'vitest';
import { createApp } from '../../infra/aws/app.ts';
import { parseSettings } from '../../infra/aws/settings.ts';

const root = join(import.meta.dirname, '../..');
const scratch = mkdtempSync(join(tmpdir(), 'sluice-cdk-'));
const example = join(root, 'infra/aws/settings.example.json');
const settings = JSON.parse(readFileSync(example, 'utf8')) as Record<string, unknown>;

interface Statement {
  Sid?: string;
  Effect: string;
  Action: string | string[];
  Resource: unknown;
  Condition?: Record<string, Record<string, unknown>>;
}

function synthesise(changes: Record<string, unknown> = {}): Template {
  const file = join(scratch, 'settings.json');
  writeFileSync(file, JSON.stringify({ ...settings, ...changes }));
  return Template.fromStack(createApp(file, { outdir: join(scratch, 'out') }).stack);
}

const template = synthesise();
const list = (value: string | string[]): string[] => [value].flat();

/** Statements of the inline policy of a role, by the start of its logical id. */
function statementsOf(role: string): Statement[] {
  const policies = Object.entries(template.findResources('AWS::IAM::Policy')).filter(([id]) => id.startsWith(role));
  return policies.flatMap(
    ([, policy]) => (policy as { Properties: { PolicyDocument: { Statement: Statement[] } } }).Properties.PolicyDocument.Statement,
  );
}

const promoter = statementsOf('Promoter');
const statement = (sid: string): Statement => {
  const found = promoter.find((one) => one.Sid === sid);
  if (!found) throw new Error(`the promoter has no statement ${sid}`);
  return found;
};

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('trust', () => {
  const issuer = 'sts.windows.net/00000000-0000-4000-8000-0000000000aa/';

  it('is placed in the version 1 issuer of the tenant, for one audience', () => {
    template.hasResourceProperties('AWS::IAM::OIDCProvider', { Url: `https://${issuer}`, ClientIdList: ['api://aws-sagemaker'] });
  });

  it('asks for subject and audience, and lets nobody else assume the promoter', () => {
    template.hasResourceProperties('AWS::IAM::Role', {
      RoleName: 'sluice-promoter',
      MaxSessionDuration: 3600,
      AssumeRolePolicyDocument: {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Action: 'sts:AssumeRoleWithWebIdentity',
            Principal: { Federated: { 'Fn::GetAtt': [Match.stringLikeRegexp('^Entra'), 'Arn'] } },
            Condition: {
              StringEquals: { [`${issuer}:aud`]: 'api://aws-sagemaker', [`${issuer}:sub`]: '00000000-0000-4000-8000-0000000000bb' },
            },
          },
        ],
      },
    });
  });

  it('uses the provider that an account has already', () => {
    const arn = `arn:aws:iam::123456789012:oidc-provider/${issuer}`;
    const second = synthesise({ providerArn: arn });

    second.resourceCountIs('AWS::IAM::OIDCProvider', 0);
    second.hasResourceProperties('AWS::IAM::Role', {
      AssumeRolePolicyDocument: { Statement: [Match.objectLike({ Principal: { Federated: arn } })] },
    });
  });

  it('lets SageMaker of this account alone assume the execution role', () => {
    template.hasResourceProperties('AWS::IAM::Role', {
      RoleName: 'sluice-execution',
      AssumeRolePolicyDocument: {
        Statement: [
          Match.objectLike({
            Principal: { Service: 'sagemaker.amazonaws.com' },
            Condition: { StringEquals: { 'aws:SourceAccount': '123456789012' } },
          }),
        ],
      },
    });
  });

  it('makes no user, no key and no managed policy', () => {
    for (const type of ['AWS::IAM::User', 'AWS::IAM::AccessKey', 'AWS::IAM::ManagedPolicy', 'AWS::Lambda::Function'])
      template.resourceCountIs(type, 0);
    for (const role of Object.values(template.findResources('AWS::IAM::Role'))) {
      expect((role as { Properties: object }).Properties).not.toHaveProperty('ManagedPolicyArns');
    }
  });
});

describe('the promoter', () => {
  it('may do in SageMaker what the code does, and nothing more', () => {
    const folder = join(root, 'shared/adapters/sagemaker');
    const code = readdirSync(folder)
      .map((name) => readFileSync(join(folder, name), 'utf8'))
      .join('\n');
    const commands = new Set(
      [...code.matchAll(/new ((?:Create|Describe|Update|Delete|Invoke|List|Stop|Add)\w+)Command\(/g)].map(([, name = '']) => name),
    );
    const allowed = promoter
      .flatMap((one) => list(one.Action))
      .filter((action) => action.startsWith('sagemaker:'))
      .map((action) => action.slice('sagemaker:'.length));

    expect(commands.size).toBeGreaterThan(5);
    // Creating with tags asks for AddTags as well.
    expect(allowed.sort()).toEqual([...commands, 'AddTags'].sort());
  });

  it('may do in S3 what the code does, below models/ only', () => {
    const actions = promoter.flatMap((one) => list(one.Action)).filter((action) => action.startsWith('s3:'));
    const below = (sid: string) => JSON.stringify(statement(sid).Resource);

    expect(actions.sort()).toEqual(['s3:GetObject', 's3:ListBucket', 's3:PutObject']);
    expect(below('LookAtModels')).toContain('/models/*');
    expect(below('SignUploads')).toContain('/models/*');
  });

  it('touches names that begin as agreed', () => {
    const sagemaker = promoter.filter((one) => list(one.Action).some((action) => action.startsWith('sagemaker:')));
    const arns = sagemaker.flatMap((one) => [one.Resource].flat()) as string[];

    expect(arns.length).toBeGreaterThan(6);
    expect(
      arns.filter((arn) => !/^arn:aws:sagemaker:eu-central-1:123456789012:(model|endpoint-config|endpoint)\/ble-location-\*$/.test(arn)),
    ).toEqual([]);
  });

  it('makes only tagged things in network isolation, changes only its own, and tags only while making', () => {
    expect(statement('MakeModels').Condition).toEqual({
      StringLike: { 'aws:RequestTag/sluice:run': '*' },
      Bool: { 'sagemaker:NetworkIsolation': 'true' },
    });
    expect(statement('MakeEndpoints').Condition).toEqual({ StringLike: { 'aws:RequestTag/sluice:run': '*' } });
    expect(statement('ChangeOwnEndpoints').Condition).toEqual({ StringLike: { 'aws:ResourceTag/sluice:run': '*' } });
    expect(statement('Tag').Condition).toEqual({
      StringEquals: { 'sagemaker:TaggingAction': ['CreateModel', 'CreateEndpointConfig', 'CreateEndpoint'] },
    });
  });

  it('sends the tag and the isolation that its own rights ask for', () => {
    expect(readFileSync(join(root, 'orchestrations/promote.ts'), 'utf8')).toContain("'sluice:run'");
    expect(readFileSync(join(root, 'shared/adapters/sagemaker/names.ts'), 'utf8')).toContain('EnableNetworkIsolation: true');
  });

  it('lends the execution role to SageMaker and no other role to anybody', () => {
    expect(statement('LendExecutionRole')).toMatchObject({
      Action: 'iam:PassRole',
      Resource: { 'Fn::GetAtt': [expect.stringMatching(/^Execution/) as string, 'Arn'] },
      Condition: { StringEquals: { 'iam:PassedToService': 'sagemaker.amazonaws.com' } },
    });
    expect(promoter.flatMap((one) => list(one.Action)).filter((action) => action.startsWith('iam:'))).toEqual(['iam:PassRole']);
  });
});

describe('every policy', () => {
  it('allows no wildcard of actions, and every resource only where AWS knows no smaller one', () => {
    const all = [...promoter, ...statementsOf('Execution')];
    const everywhere = all.filter((one) => JSON.stringify(one.Resource) === '"*"').flatMap((one) => list(one.Action));

    expect(all.flatMap((one) => list(one.Action)).filter((action) => action.includes('*'))).toEqual([]);
    expect(everywhere.sort()).toEqual(['cloudwatch:PutMetricData', 'ecr:GetAuthorizationToken']);
  });
});

describe('the model bucket', () => {
  it('is versioned, encrypted, private, and ends broken uploads', () => {
    template.hasResourceProperties('AWS::S3::Bucket', {
      BucketName: 'sluice-models-eu-central-1',
      VersioningConfiguration: { Status: 'Enabled' },
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
      BucketEncryption: Match.anyValue(),
      LifecycleConfiguration: {
        Rules: [Match.objectLike({ AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 }, Status: 'Enabled' })],
      },
    });
  });

  it('refuses plain HTTP and TLS below 1.2', () => {
    const deny = (condition: object) => Match.objectLike({ Effect: 'Deny', Action: 's3:*', Condition: condition });

    template.hasResourceProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          deny({ Bool: { 'aws:SecureTransport': 'false' } }),
          deny({ NumericLessThan: { 's3:TlsVersion': 1.2 } }),
        ]),
      },
    });
  });

  it('outlives the stack', () => {
    template.hasResource('AWS::S3::Bucket', { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
  });
});

describe('the settings file', () => {
  it('names every wrong field', () => {
    const wrong = { ...settings, subject: '*', endpointPrefixes: ['*'], account: '12', surprise: true };

    expect(() => parseSettings(wrong, 'settings.json')).toThrow(/account.*[\s\S]*subject.*[\s\S]*endpointPrefixes\.0.*[\s\S]*surprise/);
  });

  it('cannot widen trust or rights by a pattern', () => {
    for (const change of [
      { subject: '????????-????-????-????-????????????' },
      { tenantId: 'common' },
      { audience: '*' },
      { bucket: 'models*' },
      { imageRepositories: ['*'] },
      { endpointPrefixes: [] },
    ]) {
      expect(() => parseSettings({ ...settings, ...change }, 'settings.json'), JSON.stringify(change)).toThrow(/cannot be used/);
    }
  });

  it('is asked for when it is not there', () => {
    expect(() => createApp(join(scratch, 'none.json'))).toThrow(/settings\.example\.json/);
  });
});
