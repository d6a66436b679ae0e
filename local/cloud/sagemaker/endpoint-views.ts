// DescribeEndpoint and ListEndpoints: how a record looks from outside.
// What is in service and what is on its way are told apart as the service does (facts/sagemaker.md §1.4).
import { type Call, epochSeconds, page } from './context.ts';
import { find } from './endpoints.ts';
import type { Input } from './inputs.ts';
import type { LiveVariant, Pending } from './records.ts';

/** DescribeEndpoint. */
export async function describeEndpoint({ input, context, authorize }: Call<Input<'DescribeEndpoint'>>): Promise<object> {
  const arn = context.arn('endpoint', input.EndpointName);
  authorize('sagemaker:DescribeEndpoint', arn);
  const endpoint = find(context, input.EndpointName, arn);
  return {
    EndpointName: endpoint.name,
    EndpointArn: arn,
    EndpointConfigName: endpoint.configName,
    ...(endpoint.variants.length > 0
      ? { ProductionVariants: endpoint.variants.map((variant) => summary(variant, endpoint.modifiedAt)) }
      : {}),
    EndpointStatus: endpoint.status,
    ...(endpoint.failureReason === undefined ? {} : { FailureReason: endpoint.failureReason }),
    CreationTime: epochSeconds(endpoint.createdAt),
    LastModifiedTime: epochSeconds(endpoint.modifiedAt),
    ...(endpoint.deploymentConfig ? { LastDeploymentConfig: endpoint.deploymentConfig } : {}),
    ...(endpoint.pending ? { PendingDeploymentSummary: pendingSummary(endpoint.pending) } : {}),
  };
}

/** ListEndpoints. */
export async function listEndpoints({ input, context, authorize }: Call<Input<'ListEndpoints'>>): Promise<object> {
  authorize('sagemaker:ListEndpoints', '*');
  const { StatusEquals } = input;
  const matching = context.state.value.endpoints.filter(({ status }) => StatusEquals === undefined || status === StatusEquals);
  const { items, next } = page(matching, input);
  const Endpoints = items.map(({ name, status, createdAt, modifiedAt }) => ({
    EndpointName: name,
    EndpointArn: context.arn('endpoint', name),
    EndpointStatus: status,
    CreationTime: epochSeconds(createdAt),
    LastModifiedTime: epochSeconds(modifiedAt),
  }));
  return { Endpoints, ...next };
}

function summary({ spec, model, weight, desiredWeight, count, desiredCount }: LiveVariant, resolvedAt: number): object {
  return {
    VariantName: spec.name,
    DeployedImages: [{ SpecifiedImage: model.image, ResolvedImage: model.image, ResolutionTime: epochSeconds(resolvedAt) }],
    CurrentWeight: weight,
    DesiredWeight: desiredWeight,
    CurrentInstanceCount: count,
    DesiredInstanceCount: desiredCount,
  };
}

function pendingSummary({ configName, variants, startedAt }: Pending): object {
  const StartTime = epochSeconds(startedAt);
  return {
    EndpointConfigName: configName,
    ProductionVariants: variants.map(({ spec, model, desiredWeight, desiredCount }) => ({
      VariantName: spec.name,
      DeployedImages: [{ SpecifiedImage: model.image }],
      CurrentWeight: 0,
      DesiredWeight: desiredWeight,
      CurrentInstanceCount: 0,
      DesiredInstanceCount: desiredCount,
      VariantStatus: [{ Status: 'Creating', StartTime }],
    })),
    StartTime,
  };
}
