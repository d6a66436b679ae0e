// What the local cloud is told: which tenant, subscriptions, images and roles stand in for the real ones.
import { imagePaths } from './images.ts';

/** Names of the local installation. None of them is a secret; they only have to be the same on both sides. */
export const LOCAL = {
  tenant: 'sluice',
  audience: 'api://sluice',
  awsAudience: 'api://aws-sagemaker',
  region: 'eu-central-1',
  promoterRole: 'arn:aws:iam::123456789012:role/sluice-promoter',
  bucket: 'sluice-models-eu-central-1',
  lakeContainer: 'lake',
  queue: 'landing-events',
  deadLetter: 'landing-dead-letters',
  namespace: 'sluice',
  storageId:
    '/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/sluice-local/providers/Microsoft.Storage/storageAccounts/devstoreaccount1',
  subscriptionId: '00000000-0000-4000-8000-000000000001',
  resourceGroup: 'sluice-local',
  workspace: 'sluice-local',
  /** Client and object id of Sluice's own managed identity. */
  identityClientId: '10000000-0000-4000-8000-000000000001',
  identityObjectId: '10000000-0000-4000-8000-0000000000a1',
  /** The person at this machine. */
  developerClientId: '20000000-0000-4000-8000-000000000001',
  developerObjectId: '20000000-0000-4000-8000-0000000000a1',
} as const;

/** The environment in which a component's image runs here. One thread: the steps share the machine with everything else. */
export function imageEnvironment(root: string, component: string): Record<string, string> {
  return {
    PYTHONPATH: imagePaths(root, component).join(':'),
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONUNBUFFERED: '1',
    OMP_NUM_THREADS: '1',
    OPENBLAS_NUM_THREADS: '1',
  };
}

/** Image name without its digest. */
export function imageName(reference: string): string {
  return reference.slice(0, reference.indexOf('@'));
}
