// What the AWS stack must be told, checked before anything is made: a wrong character here would be a hole in a trust policy.
// The file is `settings.json` beside this one, or what `cdk -c settings=FILE` names; see settings.example.json.
import { z } from 'zod';

const BUCKET = /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/;

export const AwsInfraSettings = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,30}$/)
    .default('sluice')
    .describe('Start of the names of roles and of the stack'),
  account: z.string().regex(/^\d{12}$/, 'expected the twelve digits of an AWS account'),
  region: z.string().regex(/^(?!cn-|us-gov-|us-iso)[a-z]{2}(-[a-z]+)+-\d$/, 'expected a region of the public AWS such as eu-central-1'),
  tenantId: z.uuid().toLowerCase().describe('Entra tenant whose tokens are trusted'),
  audience: z
    .string()
    .regex(/^api:\/\/[A-Za-z0-9._/-]+$/, 'expected an application id URI such as api://aws-sagemaker')
    .default('api://aws-sagemaker'),
  subject: z.uuid().toLowerCase().describe("Object id of Sluice's managed identity: output SLUICE_IDENTITY_OBJECT_ID of infra/azure"),
  providerArn: z
    .string()
    .regex(/^arn:aws[a-z-]*:iam::\d{12}:oidc-provider\/.+$/)
    .optional()
    .describe('The provider of this tenant where the account has one already: an account can have one per issuer'),
  bucket: z
    .string()
    .regex(BUCKET, 'expected a bucket name of small letters, digits and hyphens (dots break TLS)')
    .describe('Bucket of the models'),
  endpointPrefixes: z
    .array(
      z
        .string()
        .regex(/^[a-z0-9][a-z0-9-]{1,39}$/, 'expected the start of an endpoint name, small letters, digits, hyphens, e.g. ble-location-'),
    )
    .min(1)
    .describe('Sluice may touch endpoints, configurations and models whose names begin with one of these'),
  imageRepositories: z
    .array(z.string().regex(/^[a-z0-9]+(?:[._/-][a-z0-9]+)*$/, 'expected the name of an ECR repository in this account and region'))
    .min(1)
    .describe('ECR repositories of serving images'),
});
export type AwsInfraSettings = z.infer<typeof AwsInfraSettings>;

/** Checks the content of a settings file; the message names every wrong field. */
export function parseSettings(content: unknown, file: string): AwsInfraSettings {
  const parsed = AwsInfraSettings.safeParse(content);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `  ${issue.path.map(String).join('.') || 'the file'}: ${issue.message}`);
  throw new Error(`${file} cannot be used. Mend it as in infra/aws/settings.example.json:\n${problems.join('\n')}`);
}
