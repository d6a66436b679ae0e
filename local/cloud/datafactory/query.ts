// queryPipelineRuns and queryActivityruns: the filter body as facts/datafactory.md §1 gives it, strictly, in pages of 100.
import { isRecord } from '../kit/body.ts';
import { type ActivityRecord, FactoryError, type RunRecord } from './model.ts';

const PAGE = 100;
const OPERANDS: Readonly<Record<string, (run: RunRecord) => string>> = {
  PipelineName: (run) => run.pipelineName,
  Status: (run) => run.status,
  RunStart: (run) => instant(run.startedAt ?? run.createdAt),
  RunEnd: (run) => (run.endedAt === null ? '' : instant(run.endedAt)),
  RunGroupId: (run) => run.runId,
  LatestOnly: () => 'true',
};
const OPERATORS = ['Equals', 'NotEquals', 'In', 'NotIn'];

interface Query {
  after: number;
  before: number;
  filters: { operand: string; operator: string; values: string[] }[];
  order: { by: string; descending: boolean } | null;
  offset: number;
}

/** One page of runs and the token of the next. */
export function queryRuns(
  body: unknown,
  runs: readonly RunRecord[],
  visibleUntil: number,
): { runs: RunRecord[]; continuationToken: string | null } {
  const query = readQuery(body);
  const found = runs
    .filter((run) => run.createdAt <= visibleUntil && run.updatedAt >= query.after && run.updatedAt <= query.before)
    .filter((run) => query.filters.every((filter) => holds(filter, run)));
  if (query.order) {
    const { by, descending } = query.order;
    const value = OPERANDS[by] ?? (() => '');
    found.sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) * (descending ? -1 : 1));
  }
  const end = query.offset + PAGE;
  return {
    runs: found.slice(query.offset, end),
    continuationToken: found.length > end ? Buffer.from(String(end)).toString('base64') : null,
  };
}

/** One page of a run's activities, oldest first, and the token of the next. Their filters are not played (stricter than the service). */
export function queryActivities(
  body: unknown,
  { activities }: Pick<RunRecord, 'activities'>,
): { activities: ActivityRecord[]; continuationToken: string | null } {
  const { after, before, filters, order, offset } = readQuery(body);
  if (filters.length > 0 || order) throw bad('Filters and orders of activities are not played here.');
  const found = activities.filter(({ startedAt, endedAt }) => (endedAt ?? startedAt) >= after && (endedAt ?? startedAt) <= before);
  const end = offset + PAGE;
  return {
    activities: found.slice(offset, end),
    continuationToken: found.length > end ? Buffer.from(String(end)).toString('base64') : null,
  };
}

function readQuery(body: unknown): Query {
  if (!isRecord(body)) throw bad('The filter is not an object.');
  const unknown = Object.keys(body).find(
    (key) => !['lastUpdatedAfter', 'lastUpdatedBefore', 'filters', 'orderBy', 'continuationToken'].includes(key),
  );
  if (unknown !== undefined) throw bad(`Could not find member '${unknown.slice(0, 60)}' on object of type 'RunFilterParameters'.`);
  return {
    after: date(body['lastUpdatedAfter'], 'lastUpdatedAfter'),
    before: date(body['lastUpdatedBefore'], 'lastUpdatedBefore'),
    filters: list(body['filters'], 'filters').map(readFilter),
    order: list(body['orderBy'], 'orderBy').map(readOrder)[0] ?? null,
    offset: readToken(body['continuationToken']),
  };
}

function readFilter(filter: unknown): Query['filters'][number] {
  if (!isRecord(filter)) throw bad('A filter is not an object.');
  const { operand, operator, values } = filter;
  if (typeof operand !== 'string' || !Object.hasOwn(OPERANDS, operand)) throw bad(`The operand '${shown(operand)}' is not known here.`);
  if (typeof operator !== 'string' || !OPERATORS.includes(operator)) throw bad(`The operator '${shown(operator)}' is not known.`);
  if (!Array.isArray(values) || values.length === 0 || !values.every((value) => typeof value === 'string')) {
    throw bad(`The values of '${operand}' are not a list of text.`);
  }
  if ((operator.endsWith('quals') || operand === 'RunGroupId') && values.length !== 1)
    throw bad(`'${operand}' with '${operator}' takes one value.`);
  return { operand, operator, values: values };
}

function readOrder(order: unknown): NonNullable<Query['order']> {
  if (!isRecord(order)) throw bad('orderBy is not a list of objects.');
  const by = order['orderBy'];
  const direction = order['order'];
  if (typeof by !== 'string' || !['RunStart', 'RunEnd', 'PipelineName', 'Status'].includes(by))
    throw bad(`orderBy '${shown(by)}' is not known.`);
  if (direction !== 'ASC' && direction !== 'DESC') throw bad(`The order '${shown(direction)}' is neither ASC nor DESC.`);
  return { by, descending: direction === 'DESC' };
}

function holds({ operand, operator, values }: Query['filters'][number], run: RunRecord): boolean {
  const value = OPERANDS[operand]?.(run) ?? '';
  return values.includes(value) === (operator === 'Equals' || operator === 'In');
}

function readToken(token: unknown): number {
  if (token === undefined || token === null) return 0;
  const text = typeof token === 'string' ? Buffer.from(token, 'base64').toString('utf8') : '';
  if (!/^\d{1,9}$/.test(text)) throw bad('The continuation token is not valid.');
  const offset = Number(text);
  return offset;
}

function date(value: unknown, name: string): number {
  const at = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(at)) throw bad(`'${name}' is required and is a date.`);
  return at;
}

function list(value: unknown, name: string): unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw bad(`'${name}' is not a list.`);
  return value;
}

const shown = (value: unknown): string => String(value).slice(0, 60);
const instant = (ms: number): string => new Date(ms).toISOString();
const bad = (message: string): FactoryError => new FactoryError(400, 'BadRequest', message);
