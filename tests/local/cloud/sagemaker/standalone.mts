// The local S3 and SageMaker as a program of their own, for the test that kills it.
// Arguments: data folder, file for the addresses (JSON, written when both listen).
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { serve } from '../../../../local/cloud/kit/server.ts';
import { createS3Cloud } from '../../../../local/cloud/s3/s3.ts';
import { createSageMakerCloud } from '../../../../local/cloud/sagemaker/sagemaker.ts';
import { createAuthority } from '../../../../local/cloud/sts/authority.ts';

const [folder = '', addresses = ''] = process.argv.slice(2);
const accountId = '123456789012';
const role = { arn: `arn:aws:iam::${accountId}:role/promoter`, subjects: [] };
const authority = createAuthority({ stateFile: join(folder, 'authority.json'), accountId, region: 'eu-central-1', roles: [role] });
const s3 = await createS3Cloud({ dataDir: join(folder, 's3'), authority, buckets: ['model-bucket'] });
const sagemaker = await createSageMakerCloud({
  dataDir: join(folder, 'sagemaker'),
  authority,
  read: (bucket, key) => s3.read(bucket, key),
  images: { serve: { command: [process.execPath, resolve('tests/local/cloud/sagemaker/image.mjs')], cwd: folder } },
});
const [s3Server, server] = [await serve((request) => s3.fetch(request)), await serve((request) => sagemaker.fetch(request))];
writeFileSync(addresses, JSON.stringify({ s3: s3Server.url, sagemaker: server.url }));
