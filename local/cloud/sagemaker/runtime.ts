// InvokeEndpoint: picks a variant, asks its process, and reports failures as the runtime does.
// facts/sagemaker.md §1.5 (6 MiB), §1.2 (60 s), §1.6 (errors), §2 (headers).
import { BodyTooLargeError, readBytes } from '../kit/body.ts';
import type { SageMakerContext } from './context.ts';
import { byName, type EndpointRecord, type LiveVariant } from './records.ts';
import { SageMakerError } from './sagemaker-error.ts';

/** Largest request and response body in bytes. */
export const LARGEST_BODY = 6_291_456;

/** Headers of the runtime that are acted upon; others of its family are refused, not ignored. */
const KNOWN = new Set(['x-amzn-sagemaker-target-variant', 'x-amzn-sagemaker-inference-id', 'x-amzn-sagemaker-custom-attributes']);

/** Picks variants by weight: exact shares over time, no chance. */
export class WeightedTurns {
  readonly #credit = new Map<string, number>();

  /** The next variant of this endpoint; undefined when no variant has weight. */
  next(endpoint: EndpointRecord): LiveVariant | undefined {
    const candidates = endpoint.variants.filter(({ weight }) => weight > 0);
    const total = candidates.reduce((sum, { weight }) => sum + weight, 0);
    let best: LiveVariant | undefined;
    let bestCredit = -Infinity;
    for (const variant of candidates) {
      const key = `${endpoint.name}\n${endpoint.configName}\n${variant.spec.name}`;
      const credit = (this.#credit.get(key) ?? 0) + variant.weight;
      this.#credit.set(key, credit);
      if (credit > bestCredit) [best, bestCredit] = [variant, credit];
    }
    if (best) this.#credit.set(`${endpoint.name}\n${endpoint.configName}\n${best.spec.name}`, bestCredit - total);
    return best;
  }
}

/** The endpoint's name in the path of a runtime call; names need no escapes, so an escaped one is simply not found. */
export function runtimeEndpoint(pathname: string): string | undefined {
  return /^\/endpoints\/([^/]{1,200})\/invocations$/.exec(pathname)?.[1];
}

/** Carries out one invocation whose signature and permission have been checked; the body has been read. */
export async function invoke(
  name: string,
  request: Request,
  body: Uint8Array,
  context: SageMakerContext,
  turns: WeightedTurns,
  timeoutMs: number,
): Promise<Response> {
  checkHeaders(request.headers);
  const endpoint = byName(context.state.value.endpoints, name);
  // §1.2: the case of the name must match here. A first deployment is not found either.
  if (endpoint?.name !== name || endpoint.variants.length === 0) {
    throw new SageMakerError('ValidationError', `Endpoint ${name} of account ${context.accountId} not found.`);
  }
  const target = request.headers.get('x-amzn-sagemaker-target-variant');
  const variant = target === null ? turns.next(endpoint) : endpoint.variants.find(({ spec }) => spec.name === target);
  if (!variant) {
    const what = target === null ? 'has no variant with a weight above zero' : `has no variant ${target}`;
    throw new SageMakerError('ValidationError', `Endpoint ${name} of account ${context.accountId} ${what}.`);
  }
  const url = context.fleets.replica(name, variant.spec.name)?.url();
  // The process is being started (again).
  if (url === undefined)
    throw new SageMakerError('ModelNotReadyException', `Model for variant ${variant.spec.name} is not ready for inference yet.`, 429);
  return ask(url, request, body, variant, context, endpoint, timeoutMs);
}

async function ask(
  url: string,
  request: Request,
  body: Uint8Array,
  variant: LiveVariant,
  context: SageMakerContext,
  endpoint: EndpointRecord,
  timeoutMs: number,
): Promise<Response> {
  const attributes = request.headers.get('x-amzn-sagemaker-custom-attributes');
  const logStream = `arn:aws:logs:${context.region}:${context.accountId}:log-group:/aws/sagemaker/Endpoints/${endpoint.name}`;
  const modelError = (status: number, text: string, sentence: string) =>
    new SageMakerError('ModelError', `${sentence} See ${logStream} for more information.`, 424, {
      OriginalStatusCode: status,
      OriginalMessage: text,
      LogStreamArn: logStream,
    });
  let answer: Response;
  let content: Uint8Array;
  try {
    answer = await fetch(`${url}/invocations`, {
      method: 'POST',
      headers: {
        'content-type': request.headers.get('content-type') ?? 'application/octet-stream',
        accept: request.headers.get('x-amzn-sagemaker-accept') ?? request.headers.get('accept') ?? '*/*',
        ...(attributes === null ? {} : { 'x-amzn-sagemaker-custom-attributes': attributes }),
      },
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    content = await readBytes(answer, LARGEST_BODY);
  } catch (error) {
    if (error instanceof BodyTooLargeError) throw modelError(0, '', `Received a response larger than ${LARGEST_BODY} bytes from primary.`);
    if (error instanceof Error && error.name === 'TimeoutError') {
      throw modelError(
        0,
        '',
        'Received server error (0) from primary with message "Your invocation timed out while waiting for a response from container primary."',
      );
    }
    throw modelError(0, '', 'Received server error (0) from primary: the connection to the container was lost.');
  }
  if (!answer.ok) {
    const text = Buffer.from(content).toString('utf8').slice(0, 2_048);
    const kind = answer.status >= 400 && answer.status < 500 ? 'client' : 'server';
    throw modelError(answer.status, text, `Received ${kind} error (${answer.status}) from primary with message "${text}".`);
  }
  const returned = answer.headers.get('x-amzn-sagemaker-custom-attributes');
  return new Response(content, {
    headers: {
      'content-type': answer.headers.get('content-type') ?? 'application/octet-stream',
      'x-amzn-invoked-production-variant': variant.spec.name,
      ...(returned === null ? {} : { 'x-amzn-sagemaker-custom-attributes': returned }),
    },
  });
}

function checkHeaders(headers: Headers): void {
  headers.forEach((_, name) => {
    if (name.startsWith('x-amzn-sagemaker-') && !KNOWN.has(name) && name !== 'x-amzn-sagemaker-accept') {
      // Stricter than the service.
      throw new SageMakerError('ValidationError', `The header ${name} asks for something this stand-in does not do.`);
    }
  });
  const limits = [
    ['x-amzn-sagemaker-inference-id', 64],
    ['x-amzn-sagemaker-custom-attributes', 1_024],
  ] as const; // facts/sagemaker.md §1.2, §2
  for (const [name, longest] of limits) {
    if ((headers.get(name)?.length ?? 0) > longest)
      throw new SageMakerError('ValidationError', `${name} is longer than ${longest} characters.`);
  }
}
