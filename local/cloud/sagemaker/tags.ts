// AddTags and ListTags for models, configs and endpoints.
// AddTags overwrites a key that is there (facts/sagemaker.md §1.5).
import type { Call, SageMakerContext } from './context.ts';
import type { Input } from './inputs.ts';
import { validation } from './sagemaker-error.ts';

const MAX_TAGS = 50;

/** AddTags. */
export async function addTags({ input, context, authorize }: Call<Input<'AddTags'>>): Promise<object> {
  authorize('sagemaker:AddTags', input.ResourceArn);
  checkResource(context, input.ResourceArn);
  return context.state.update((document) => {
    const before = document.tags.find(({ arn }) => arn === input.ResourceArn)?.tags ?? [];
    const kept = before.filter(({ Key }) => !input.Tags.some((tag) => tag.Key === Key));
    const tags = [...kept, ...input.Tags];
    if (tags.length > MAX_TAGS) throw validation(`A resource can have at most ${MAX_TAGS} tags.`);
    document.tags = [...document.tags.filter(({ arn }) => arn !== input.ResourceArn), { arn: input.ResourceArn, tags }];
    return { Tags: tags };
  });
}

/** ListTags (at most 50, so always one page unless a smaller one is asked for). */
export async function listTags({ input, context, authorize }: Call<Input<'ListTags'>>): Promise<object> {
  authorize('sagemaker:ListTags', input.ResourceArn);
  checkResource(context, input.ResourceArn);
  const tags = context.state.value.tags.find(({ arn }) => arn === input.ResourceArn)?.tags ?? [];
  const offset = Number(input.NextToken ?? 0);
  if (!Number.isInteger(offset) || offset < 0) throw validation('Invalid NextToken.');
  const end = offset + (input.MaxResults ?? MAX_TAGS);
  return { Tags: tags.slice(offset, end), ...(end < tags.length ? { NextToken: String(end) } : {}) };
}

function checkResource(context: SageMakerContext, arn: string): void {
  const { models, configs, endpoints } = context.state.value;
  const known =
    models.some(({ name }) => context.arn('model', name) === arn) ||
    configs.some(({ name }) => context.arn('endpoint-config', name) === arn) ||
    endpoints.some(({ name }) => context.arn('endpoint', name) === arn);
  if (!known) throw validation(`Could not find resource "${arn}".`);
}
