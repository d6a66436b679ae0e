// Reads a body and checks it: every problem is a detail with its place, as `Request is invalid and/or missing fields` (facts/azure.md §1.1).
import type { z } from 'zod';
import { BodyNotJsonError, BodyTooLargeError, readJson } from '../../kit/body.ts';
import { ArmError, ProviderError, type ErrorDetail } from './arm-error.ts';

/** ARM's own limit of a request is 4 MB. */
const MAX_BODY = 4 * 1_048_576;

/** The body as it is described. Throws 400 or 413. */
export async function readBody<S extends z.ZodType>(request: Request, schema: S): Promise<z.infer<S>> {
  if (!(request.headers.get('content-type') ?? '').toLowerCase().startsWith('application/json')) {
    throw new ArmError(415, 'UnsupportedMediaType', "The content media type is not supported. Only 'application/json' is supported.");
  }
  let json: unknown;
  try {
    json = await readJson(request, MAX_BODY);
  } catch (error) {
    if (error instanceof BodyTooLargeError)
      throw new ArmError(413, 'RequestEntityTooLarge', `The request content size exceeds the maximum size of ${error.limit} bytes.`);
    if (error instanceof BodyNotJsonError)
      throw new ArmError(400, 'InvalidRequestContent', 'The request content was invalid and could not be deserialized.');
    throw error;
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new ProviderError(400, 'Request is invalid and/or missing fields.', null, parsed.error.issues.flatMap(detailsOf));
}

type Issue = z.core.$ZodIssue;

function detailsOf(issue: Issue): ErrorDetail[] {
  const target = issue.path.join('.') || null;
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const place = [...issue.path, key].join('.');
      return {
        code: 'InvalidProperty',
        message: `Could not find member '${key.slice(0, 80)}' on this object. Path '${place}'.`,
        target: place,
      };
    });
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // The variant that fits best is the one that the caller meant.
    const best = [...issue.errors].sort((a, b) => a.length - b.length)[0] ?? [];
    return best.flatMap((inner) => detailsOf({ ...inner, path: [...issue.path, ...inner.path] }));
  }
  return [{ code: 'InvalidProperty', message: issue.message, target }];
}

/** The same refusal for what no schema can say. */
export const invalid = (message: string, target: string): ProviderError =>
  new ProviderError(400, message, target, [{ code: 'InvalidProperty', message, target }]);
