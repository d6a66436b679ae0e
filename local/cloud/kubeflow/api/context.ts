// What every route works with, and the call it answers.
// Routes throw `ApiError`; the router turns it into the gateway's answer.
import { BodyNotJsonError, BodyTooLargeError, json, readText } from '../../kit/body.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Runner } from '../execution/runner.ts';
import { ProtoJsonError, readMessage, writeMessage, type JsonObject, type Message } from '../protojson.ts';
import type { Store } from '../store.ts';
import type { Action, Authorizer, Caller } from './authorize.ts';
import { ApiError } from './errors.ts';

/** The parts of a running stand-in. */
export interface ApiContext {
  readonly store: Store;
  readonly runner: Runner;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
}

/** One call. */
export interface Call {
  readonly request: Request;
  readonly query: URLSearchParams;
  /** Values of the `:name` parts of the path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly caller: Caller;
}

/** Answers a call. */
export type Route = (context: ApiContext, call: Call) => Promise<Response> | Response;

const MAX_BODY = 8 * 1_048_576;

/** Reads a body as a message. Throws `ApiError` 400 naming the unknown or ill-typed field. */
export async function readBody<T>(call: Call, description: Message): Promise<Partial<T>> {
  try {
    return readMessage(description, JSON.parse(await readText(call.request, MAX_BODY))) as Partial<T>;
  } catch (error) {
    if (error instanceof ProtoJsonError) throw new ApiError('invalid-argument', `proto: ${error.message}`);
    if (error instanceof SyntaxError || error instanceof BodyNotJsonError)
      throw new ApiError('invalid-argument', 'proto: syntax error: the body is not JSON');
    if (error instanceof BodyTooLargeError) throw new ApiError('invalid-argument', error.message);
    throw error;
  }
}

/** An answer with one message. */
export const answer = (description: Message, object: object): Response => json(writeMessage(description, object));

/** The empty message. */
export const done = (): Response => json({});

/** Checks the caller's right. */
export const allow = ({ authorizer }: ApiContext, call: Call, action: Action): void => {
  authorizer.authorize(call.caller, action);
};

/** `2026-11-22T16:00:00Z`: the server keeps whole seconds. */
export const seconds = (ms: number): string => `${new Date(Math.floor(ms / 1000) * 1000).toISOString().slice(0, 19)}Z`;

/** With milliseconds: finer than the service, so that a step's own time can be measured. */
export const fine = (ms: number): string => new Date(ms).toISOString();

export type { JsonObject };
