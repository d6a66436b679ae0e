// A small, documented subset of IAM policies: enough to hold a session to one bucket prefix or one endpoint.
// Subset: Version, Statement[] with Sid, Effect, Action, Resource and the wildcards `*` and `?`. What lies outside is refused, never ignored.
import { isRecord } from '../kit/body.ts';

/** One statement, normalised. */
export interface PolicyStatement {
  readonly effect: 'Allow' | 'Deny';
  /** e.g. `s3:PutObject`, `sagemaker:*`; compared without case, as IAM does. */
  readonly actions: readonly string[];
  /** ARNs, compared with case. */
  readonly resources: readonly string[];
}

/** A policy that has been understood as a whole. */
export type Policy = readonly PolicyStatement[];

/** The policy is not JSON, not a policy, or uses what the subset leaves out. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
}

/** Understands a policy document (text or object), or throws `PolicyError` with the reason. */
export function parsePolicy(document: unknown): Policy {
  const value = typeof document === 'string' ? fromJson(document) : document;
  if (!isRecord(value)) throw new PolicyError('A policy is a JSON object.');
  only(value, ['Version', 'Id', 'Statement'], 'the policy');
  if (value['Version'] !== '2012-10-17') throw new PolicyError('Version must be "2012-10-17".');
  const statements = Array.isArray(value['Statement']) ? (value['Statement'] as unknown[]) : [value['Statement']];
  if (statements.length === 0) throw new PolicyError('Statement is empty.');
  return statements.map(parseStatement);
}

function parseStatement(value: unknown): PolicyStatement {
  if (!isRecord(value)) throw new PolicyError('A statement is a JSON object.');
  // Stricter than the service: Condition, NotAction, NotResource, Principal are known to IAM, not to this subset.
  only(value, ['Sid', 'Effect', 'Action', 'Resource'], 'a statement');
  const effect = value['Effect'];
  if (effect !== 'Allow' && effect !== 'Deny') throw new PolicyError('Effect is Allow or Deny.');
  return { effect, actions: texts(value['Action'], 'Action'), resources: texts(value['Resource'], 'Resource') };
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new PolicyError('The policy is not JSON.');
  }
}

function only(value: Record<string, unknown>, known: readonly string[], where: string): void {
  const unknown = Object.keys(value).filter((key) => !known.includes(key));
  if (unknown.length > 0) throw new PolicyError(`${unknown.join(', ')} in ${where} is outside the subset that this stand-in understands.`);
}

function texts(value: unknown, name: string): readonly string[] {
  const list = Array.isArray(value) ? (value as unknown[]) : [value];
  if (list.length === 0 || !list.every((item): item is string => typeof item === 'string' && item !== '')) {
    throw new PolicyError(`${name} is a text or a list of texts.`);
  }
  return list;
}

/** Whether the policy lets the action through: an explicit Deny wins, and without an Allow the answer is no. */
export function permits(policy: Policy, action: string, resource: string): boolean {
  const applies = (statement: PolicyStatement) =>
    statement.actions.some((pattern) => like(pattern.toLowerCase(), action.toLowerCase())) &&
    statement.resources.some((pattern) => like(pattern, resource));
  const applying = policy.filter(applies);
  return applying.some(({ effect }) => effect === 'Allow') && !applying.some(({ effect }) => effect === 'Deny');
}

/** Wildcard match (`*` any run, `?` one character) in time proportional to pattern × text. */
export function like(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let mark = 0;
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p;
      mark = t;
      p += 1;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p += 1;
      t += 1;
    } else if (star >= 0) {
      p = star + 1;
      mark += 1;
      t = mark;
    } else return false;
  }
  while (pattern[p] === '*') p += 1;
  return p === pattern.length;
}
