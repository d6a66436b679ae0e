// Pages of lists: `value` and, while there is more, `nextLink` with an opaque `$skip` (facts name no page size: 20 by default, an option).
import { json } from '../../kit/body.ts';
import { ArmError } from './arm-error.ts';

/** Cuts a page out of items that are in order. */
export function page<T>(items: readonly T[], url: URL, pageSize: number, view: (item: T) => object): Response {
  const top = Number(url.searchParams.get('$top') ?? pageSize);
  if (!Number.isInteger(top) || top < 1)
    throw new ArmError(400, 'InvalidQueryParameter', "The query parameter '$top' is a whole number from 1.");
  const skip = offset(url.searchParams.get('$skip'));
  const size = Math.min(top, pageSize);
  const body: Record<string, unknown> = { value: items.slice(skip, skip + size).map(view) };
  if (skip + size < items.length) {
    const next = new URL(url);
    next.searchParams.set('$skip', Buffer.from(String(skip + size)).toString('base64url'));
    body['nextLink'] = next.href;
  }
  return json(body);
}

function offset(token: string | null): number {
  if (token === null) return 0;
  const number = Number(Buffer.from(token, 'base64url').toString('utf8'));
  if (!Number.isInteger(number) || number < 0 || token === '')
    throw new ArmError(400, 'InvalidQueryParameter', "The query parameter '$skip' is not a continuation token of this list.");
  return number;
}

/** Which of active and archived things a list shows: `listViewType`, default active. */
export function inView(url: URL): (item: { readonly isArchived: boolean }) => boolean {
  const view = url.searchParams.get('listViewType') ?? 'ActiveOnly';
  switch (view) {
    case 'ActiveOnly':
      return ({ isArchived }) => !isArchived;
    case 'ArchivedOnly':
      return ({ isArchived }) => isArchived;
    case 'All':
      return () => true;
    default:
      throw new ArmError(400, 'InvalidQueryParameter', `The query parameter 'listViewType' is ActiveOnly, ArchivedOnly or All.`);
  }
}
