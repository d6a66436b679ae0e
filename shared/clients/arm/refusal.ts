// A refusal of Azure's management in our words: who was refused, what is missing, whether to try again (facts/azure.md §1.5).
import { RejectedError, TransientError } from '../../errors/errors.ts';
import type { PlainHeaders } from './transport.ts';
import { plainWords } from './words.ts';

/** What the body of a refusal says; ARM nests the real reason below a general one, MLflow has `error_code`. */
export interface ServiceError {
  code: string;
  message: string;
}

export interface RefusedCall {
  /** The service, as messages name it. */
  what: string;
  method: string;
  path: string;
  status: number;
  headers: PlainHeaders;
  json: unknown;
  text: string;
  identity: string;
  /** Values that must not appear in a message, should the service echo them. */
  secrets: readonly string[];
}

/** The error that a refusal becomes; 429 is `arm-throttled`, and the caller has waited as long as it may. */
export function refusalOf(call: RefusedCall): Error {
  const { status } = call;
  const words = wordsOf(call);
  const what = `${call.what} answered ${call.method} ${call.path} with ${status}`;
  if (status === 401 || status === 403) return new RejectedError('arm-forbidden', `${what} for ${forbidden(call, words)}`);
  if (status === 404) {
    return new RejectedError('arm-missing', `${what}: ${words} Check subscription, resource group and the names in the path.`);
  }
  if (status === 409 || status === 412) {
    return new RejectedError('arm-conflict', `${what}: ${words} Something of this name is there already, or is being changed just now.`);
  }
  if (status === 429) {
    return new TransientError('arm-throttled', `${what}, and ${waitOf(call.headers)}. ${words}`);
  }
  if (status === 408 || status >= 500) return new TransientError('arm-unavailable', `${what}: ${words}`);
  if (status >= 300 && status < 400) {
    return new RejectedError(
      'arm-refused',
      `${what}: it redirects, which no API here does. Check that the address leads to the service and to no login page.`,
    );
  }
  return new RejectedError('arm-refused', `${what}: ${words}`);
}

/** Code and message of an error body, the innermost that says something. */
export function serviceErrorOf(json: unknown, text: string): ServiceError {
  const body = record(json);
  const nested = record(body?.['error']);
  if (body && nested) return innermost(nested);
  const message = body?.['message'];
  if (body && typeof message === 'string') return { code: textOf(body['error_code']), message };
  return { code: '', message: text.trim() };
}

function innermost(error: Record<string, unknown>): ServiceError {
  const own = { code: textOf(error['code']), message: textOf(error['message']) };
  const details = Array.isArray(error['details']) ? error['details'] : [];
  const messages = [own.message, ...details.slice(0, 5).map((detail) => textOf(record(detail)?.['message']))];
  const codes = [own.code, ...details.slice(0, 5).map((detail) => textOf(record(detail)?.['code']))].filter((code) => code !== '');
  const said = [...new Set(messages.filter((message) => message !== ''))];
  return { code: codes.at(-1) ?? '', message: said.join(' ') };
}

function wordsOf(call: RefusedCall): string {
  const { code, message } = serviceErrorOf(call.json, call.text);
  let words = plainWords(`${code}${code && message ? ': ' : ''}${message}`);
  for (const secret of call.secrets) if (secret.length >= 6) words = words.replaceAll(secret, '<parameter value>');
  if (words === '') return 'it gave no reason.';
  return /[.!?…]$/.test(words) ? words : `${words}.`;
}

/** ARM's 403 names object id, action and scope; its 401 says why the token does not count. */
function forbidden(call: RefusedCall, words: string): string {
  const said = serviceErrorOf(call.json, call.text).message;
  const [, oid] = /object id '([^']{1,100})'/.exec(said) ?? [];
  const [, action] = /perform action '([^']{1,200})'/.exec(said) ?? [];
  const [, scope] = /over scope '([^']{1,500})'/.exec(said) ?? [];
  const identity = `the identity ${oid && !call.identity.includes(oid) ? `object id ${oid}` : call.identity}`;
  if (call.status === 401) return `${identity}: the token does not count (expired, or made for another audience or tenant). ${words}`;
  if (action) {
    return `${identity}: it lacks the action ${action}. Give it the role ${roleFor(action)} on ${scope ?? 'the resource'}; a fresh role counts after some minutes.`;
  }
  if (/network|firewall|private|public access/i.test(said)) {
    return `${identity}: the network refuses it, not its roles. Call from inside the virtual network, through the private endpoint. ${words}`;
  }
  return `${identity}: it lacks a role here. ${words}`;
}

/** The built-in role that has an action, as far as Sluice uses them; it is advice, not a decision. */
function roleFor(action: string): string {
  const known: [RegExp, string][] = [
    [/\/registries\//i, '"AzureML Registry User"'],
    [/^Microsoft\.MachineLearningServices\/workspaces\/read$/i, '"Reader" (or "AzureML Data Scientist")'],
    [/^Microsoft\.MachineLearningServices\//i, '"AzureML Data Scientist"'],
    [/^Microsoft\.DataFactory\//i, '"Data Factory Contributor"'],
    [/\/read$/i, '"Reader"'],
  ];
  return known.find(([pattern]) => pattern.test(action))?.[1] ?? 'that has it';
}

/** Milliseconds that `Retry-After` (seconds or a date) asks for; null when it says nothing usable. */
export function retryAfterMs(headers: PlainHeaders, now: number): number | null {
  const milliseconds = headers.get('retry-after-ms') ?? headers.get('x-ms-retry-after-ms');
  if (milliseconds && /^\d{1,9}$/.test(milliseconds)) return Number(milliseconds);
  const value = headers.get('retry-after');
  if (!value) return null;
  const wait = /^\d{1,7}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isFinite(wait) ? Math.max(0, wait) : null;
}

function waitOf(headers: PlainHeaders): string {
  const value = headers.get('retry-after');
  return value && /^\d{1,7}$/.test(value) ? `asks to wait ${value} s` : 'asks for fewer calls';
}

function record(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
