// The part of the options that can stand in a configuration file, as a schema: what the local cloud's document says under `azureml`.
// Addresses of the issuer, the clock and callbacks come from the program.
import { z } from 'zod';

const name = z.string().min(1);
const strings = z.record(z.string(), z.string());
const bucket = z.strictObject({ size: z.number().min(1), perSecond: z.number().min(0) });
const delay = z.number().min(0).exactOptional();

const store = {
  container: name,
  connectionString: z.string().exactOptional(),
  containerUrl: z.string().exactOptional(),
};

const workspace = z.strictObject({
  name,
  location: z.string().exactOptional(),
  publicNetworkAccess: z.enum(['Disabled', 'Enabled']).exactOptional(),
  mlFlowTrackingUri: z.string().exactOptional(),
  tags: strings.exactOptional(),
  computes: z
    .array(
      z.strictObject({
        name,
        type: z.enum(['AmlCompute', 'Kubernetes']),
        vmSize: z.string().exactOptional(),
        maxNodes: z.number().int().min(0).exactOptional(),
        provisioningState: z.enum(['Succeeded', 'Failed', 'Creating', 'Updating', 'Deleting', 'Canceled', 'Unknown']).exactOptional(),
        namespace: z.string().exactOptional(),
        instanceTypes: z.array(name).exactOptional(),
      }),
    )
    .exactOptional(),
  datastores: z
    .array(
      z.strictObject({
        ...store,
        name,
        accountName: name,
        type: z.enum(['AzureBlob', 'AzureDataLakeGen2']).exactOptional(),
        isDefault: z.boolean().exactOptional(),
      }),
    )
    .exactOptional(),
});

/** `azureml` of the local cloud's configuration. */
export const AzureMlSettings = z.strictObject({
  subscriptionId: name,
  resourceGroup: name,
  workspaces: z.array(workspace).default([]),
  readers: z.array(z.string()).exactOptional(),
  roles: z
    .array(
      z.strictObject({
        objectId: name,
        role: z.enum(['Reader', 'Contributor', 'AzureML Data Scientist', 'AzureML Compute Operator', 'AzureML Registry User']),
        scope: z.string().exactOptional(),
      }),
    )
    .exactOptional(),
  images: z
    .record(
      z.string(),
      z.strictObject({
        command: z.array(z.string()).exactOptional(),
        programs: strings.exactOptional(),
        cwd: z.string().exactOptional(),
        env: strings.exactOptional(),
      }),
    )
    .exactOptional(),
  registries: z
    .array(
      z.strictObject({
        name,
        location: z.string().exactOptional(),
        store: z.strictObject({ ...store, accountName: name }).exactOptional(),
      }),
    )
    .exactOptional(),
  throttle: z
    .strictObject({ reads: bucket.exactOptional(), writes: bucket.exactOptional(), deletes: bucket.exactOptional() })
    .exactOptional(),
  delays: z.strictObject({ preparingMs: delay, queuedMs: delay, listMs: delay, metricMs: delay, operationMs: delay }).exactOptional(),
  graceMs: z.number().min(0).exactOptional(),
  pageSize: z.number().int().min(1).exactOptional(),
  events: z.strictObject({ url: z.string().exactOptional(), failures: z.boolean().exactOptional() }).exactOptional(),
});
export type AzureMlSettings = z.infer<typeof AzureMlSettings>;
