// What an operation of the HTTP API is, and the small schemas that several of them share.
import * as z from 'zod';
import type { Role } from '../access.ts';

export const limit = z.coerce.number().int().min(1).max(200).default(50).describe('At most this many');
export const after = z.string().min(1).max(500).optional().describe('`next` of the page before');
export const reason = z.string().trim().min(1, 'say why, in words').max(1000);
export const pageOf = <Item extends z.ZodType>(item: Item) => z.strictObject({ items: z.array(item), next: z.string().nullable() });
export const listOf = <Item extends z.ZodType>(item: Item) => z.strictObject({ items: z.array(item) });

export interface Operation {
  method: 'GET' | 'PUT' | 'POST';
  /** Relative to /api/v1; parts in braces are parameters. */
  path: string;
  /** `anyone`: any valid token. `anonymous`: no token. */
  access: Role | 'anyone' | 'anonymous';
  summary: string;
  params: z.ZodObject;
  query: z.ZodObject;
  body: z.ZodType | null;
  /** The body is a file that is handed over as it comes, or absent; `body` is null then. */
  upload: { maxBytes: number } | null;
  answer: z.ZodType;
  /** What the caller gets when all is well: status and its meaning. */
  statuses: Readonly<Record<number, string>>;
  /** Starts, signals or reads stories. */
  durable: boolean;
  /** Header `Idempotency-Key` is required. */
  idempotencyKey: boolean;
}

const none = z.strictObject({});
const defaults = {
  params: none,
  query: none,
  body: null,
  upload: null,
  statuses: { 200: 'OK' },
  durable: false,
  idempotencyKey: false,
} as const;

/** An operation with what it does not say filled in; keeps the exact types of its schemas. */
export function operation<const Given extends Pick<Operation, 'method' | 'path' | 'access' | 'summary' | 'answer'> & Partial<Operation>>(
  given: Given,
): Omit<typeof defaults, keyof Given> & Given {
  return { ...defaults, ...given };
}
