// The edge of the HTTP API: who calls, may they, what did they send; then the handler; then JSON or a problem document.
import type { HttpRequest, HttpResponseInit, InvocationContext } from '@azure/functions';
import * as z from 'zod';
import { suggestion } from '../../../shared/contracts/did-you-mean.ts';
import type { Operation } from '../../../shared/contracts/http-api.ts';
import type { Role } from '../../../shared/contracts/access.ts';
import { allowed, allowedSomewhere, type Scope } from '../../../shared/decisions/allowed.ts';
import { UserError, type UserProblem } from '../../../shared/errors/errors.ts';
import type { Caller } from '../../../shared/ports/access.ts';
import type { ApiCall, ApiDeps, ApiHandler } from './call.ts';
import { issueWords } from './issue-words.ts';
import { readJsonBody } from './json-body.ts';
import { uploadOf } from './upload.ts';
import { isUnexpected, PLAIN_HEADERS, problemResponse } from './problem.ts';

type Log = Pick<InvocationContext, 'invocationId' | 'error' | 'warn'>;

const NOBODY: Caller = { subject: 'anonymous', name: 'anonymous', roles: [] };
const MAX_PROBLEMS = 50;

/** The function that the host calls for one operation. Never throws. */
export function atEdge<Op extends Operation>(
  operation: Op,
  handler: ApiHandler<Op>,
  deps: Pick<ApiDeps, 'verifier' | 'starterOf' | 'windowsOf'>,
) {
  return async (request: HttpRequest, context: InvocationContext): Promise<HttpResponseInit> => {
    try {
      const call = await accept(operation, request, deps, context);
      const { status = 200, headers = {}, body } = await handler(call);
      return { status, headers: { ...PLAIN_HEADERS, 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
    } catch (error) {
      return failed(operation, error, context);
    }
  };
}

/** Who and whether before what: nobody learns about the input rules, or makes us read a body, without a token and a role. */
async function accept<Op extends Operation>(
  operation: Op,
  request: HttpRequest,
  deps: Pick<ApiDeps, 'verifier' | 'starterOf' | 'windowsOf'>,
  context: InvocationContext,
): Promise<ApiCall<Op>> {
  const { access } = operation;
  const caller = access === 'anonymous' ? NOBODY : await deps.verifier.verify(bearerOf(request));
  if (access !== 'anonymous' && access !== 'anyone') refuseUnless(allowedSomewhere(caller.roles, access), caller);
  const input = {
    params: parse(operation.params, { ...request.params }, 'path'),
    query: parse(operation.query, queryOf(request), 'query'),
    body: operation.body === null ? null : parse(operation.body, await readJsonBody(request), 'body'),
    upload: operation.upload === null ? null : uploadOf(request, operation.upload.maxBytes),
    idempotencyKey: operation.idempotencyKey ? idempotencyKeyOf(request) : '',
  };
  const may = (role: Role, scope: Scope) => allowed(caller.roles, role, scope);
  const rest: Omit<ApiCall<Op>, 'params' | 'query' | 'body'> = {
    ...input,
    caller,
    log: context,
    starter: () => deps.starterOf(context),
    windows: () => deps.windowsOf(context),
    may: (role: Role, scope: Scope) => may(role, scope).allowed,
    require: (role: Role, scope: Scope) => refuseUnless(may(role, scope), caller),
  };
  // The operation's own schemas made the input, so its parts are of Op's types.
  return { ...input, ...rest } as ApiCall<Op>;
}

function failed(operation: Operation, error: unknown, log: Log): HttpResponseInit {
  const where = `${operation.method} ${operation.path}`;
  const response = problemResponse(error, log.invocationId);
  if (isUnexpected(error)) log.error(`${where} failed: ${inWords(error)}`);
  else if ((response.status ?? 500) >= 500) log.warn(`${where}: ${error instanceof Error ? error.message : String(error)}`);
  return response;
}

/** Message, stack and causes: never the error whole, because an SDK hangs the request with its tokens on it. */
function inWords(error: unknown, depth = 0): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? `${error.name}: ${error.message}`;
  return error.cause === undefined || depth === 4 ? own : `${own}\ncaused by ${inWords(error.cause, depth + 1)}`;
}

function bearerOf(request: HttpRequest): string {
  const header = request.headers.get('authorization');
  if (header === null) throw new UserError(401, 'token-missing', 'Send a token in the header authorization: Bearer TOKEN');
  const token = /^Bearer +(\S+)$/i.exec(header)?.[1];
  if (token === undefined)
    throw new UserError(401, 'token-refused', 'The token was refused: the header is not "authorization: Bearer TOKEN"');
  return token;
}

function refuseUnless(decision: ReturnType<typeof allowed>, caller: Caller): void {
  if (decision.allowed) return;
  const held = caller.roles.length === 0 ? 'no role' : caller.roles.map((role) => `"${role.slice(0, 100)}"`).join(', ');
  throw new UserError(403, 'role-missing', `This needs the role "${decision.missing}"; ${caller.name} has ${held}`);
}

/** From the URL itself: `request.query` of some hosts holds one value of a repeated parameter. */
function queryOf(request: HttpRequest): Record<string, string> {
  const query = new URL(request.url).searchParams;
  const repeated = [...query.keys()].find((key) => query.getAll(key).length > 1);
  if (repeated !== undefined) throw new UserError(400, 'query-invalid', `The query parameter "${repeated.slice(0, 64)}" is there twice`);
  return Object.fromEntries(query.entries());
}

function idempotencyKeyOf(request: HttpRequest): string {
  const key = request.headers.get('idempotency-key') ?? '';
  if (/^[\x21-\x7e]{1,200}$/.test(key)) return key;
  const mend = 'Send the header idempotency-key with a new random value for each request, and the same value when you repeat one';
  throw new UserError(400, 'idempotency-key-missing', mend);
}

function parse<Schema extends z.ZodType>(schema: Schema, value: unknown, part: 'path' | 'query' | 'body'): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.flatMap((issue) => problemsOf(issue, schema, part)).slice(0, MAX_PROBLEMS);
  const [first] = problems;
  const detail = first ? `${first.where}: ${first.problem}${first.mend === undefined ? '' : ` (${first.mend})`}` : 'not acceptable';
  throw new UserError(part === 'body' ? 422 : 400, `${part}-invalid`, `In the ${part}: ${detail}`, problems);
}

function problemsOf(issue: z.core.$ZodIssue, schema: z.ZodType, part: string): UserProblem[] {
  const where = issue.path.map(String).join('.') || part;
  if (issue.code !== 'unrecognized_keys') return [{ where, problem: issueWords(issue) }];
  const known = issue.path.length === 0 && schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  return issue.keys.map((key) => ({
    where,
    problem: `unknown ${part === 'query' ? 'parameter' : 'key'} "${key.slice(0, 64)}"`,
    mend: suggestion(key, known),
  }));
}
