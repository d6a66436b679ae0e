// Rows to an endpoint, predictions back, in the JSON that the `serve` component speaks (facts/sagemaker.md §2).
// The answer is checked: one prediction per row, or it is not an answer.
import { InvokeEndpointCommand, type SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import * as z from 'zod';
import type { InputRow } from '../../contracts/rows.ts';
import type { Prediction } from '../../contracts/serving.ts';
import { RejectedError } from '../../errors/errors.ts';
import { translateInvocation } from './errors.ts';

/** InvokeEndpoint takes 6 MiB (facts/sagemaker.md §1.5). */
const MAX_BODY_BYTES = 6_291_456;

/** A number is known by `value`; servers from before that gave it a label too, which says nothing more. */
const Answer = z.object({
  predictions: z.array(
    z.union([z.object({ value: z.number() }), z.object({ label: z.string(), probability: z.number().nullish() })], {
      error: 'expected { label, probability } or { value }',
    }),
  ),
});

export async function invoke(client: SageMakerRuntimeClient, endpoint: string, rows: readonly InputRow[]): Promise<Prediction[]> {
  const body = Buffer.from(JSON.stringify({ instances: rows }), 'utf8');
  if (body.byteLength > MAX_BODY_BYTES) {
    throw new RejectedError(
      'rows-too-large',
      `${rows.length} rows are ${body.byteLength} bytes of JSON; one invocation takes ${MAX_BODY_BYTES}. Send fewer rows at a time.`,
    );
  }
  let answer: string;
  try {
    const output = await client.send(
      new InvokeEndpointCommand({ EndpointName: endpoint, Body: body, ContentType: 'application/json', Accept: 'application/json' }),
    );
    answer = Buffer.from(output.Body ?? new Uint8Array()).toString('utf8');
  } catch (error) {
    throw translateInvocation(error, endpoint);
  }
  return parse(answer, endpoint, rows.length);
}

function parse(text: string, endpoint: string, rows: number): Prediction[] {
  const invalid = (why: string, cause?: unknown) =>
    new RejectedError('answer-invalid', `Endpoint "${endpoint}" answered 200, but ${why}.`, { cause });
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw invalid('its answer is not JSON', error);
  }
  const parsed = Answer.safeParse(body);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw invalid(
      `its answer is not { predictions: [{ label, probability }] } or [{ value }]: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`,
    );
  }
  const { predictions } = parsed.data;
  if (predictions.length !== rows) throw invalid(`it gave ${predictions.length} predictions for ${rows} rows`);
  return predictions.map((one) => ('value' in one ? one : { label: one.label, probability: one.probability ?? null }));
}
