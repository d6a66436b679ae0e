// The activity runs of a Data Factory run as the log of its steps (facts/datafactory.md §1): times, counts, and the service's own words. Pure.
// Of an activity's output only numbers that copies count by are shown: a Lookup's output holds rows, a Web activity's a foreign answer.
import * as z from 'zod';
import { withoutSignatures } from '../../clients/arm/words.ts';

const text = z.string().nullish();

export const ActivityRun = z.object({
  activityName: z.string(),
  activityType: text,
  status: text,
  activityRunStart: text,
  activityRunEnd: text,
  durationInMs: z.number().nullish(),
  retryAttempt: z.number().nullish(),
  output: z.unknown(),
  error: z.object({ errorCode: text, message: text, failureType: text }).nullish(),
});
export type ActivityRun = z.infer<typeof ActivityRun>;
export const ActivityPage = z.object({ value: z.array(ActivityRun), continuationToken: text });

/** What copies count (facts/datafactory.md §6), and the exit code of a program. */
const COUNTED = [
  'rowsRead',
  'rowsCopied',
  'rowsSkipped',
  'filesRead',
  'filesWritten',
  'dataRead',
  'dataWritten',
  'copyDuration',
  'exitcode',
];

/** One step for each activity, oldest first; each text is at most its last `maxBytes`. */
export function activityLogs(activities: readonly ActivityRun[], maxBytes: number): { step: string; text: string }[] {
  return [...activities]
    .sort((a, b) => Date.parse(a.activityRunStart ?? '') - Date.parse(b.activityRunStart ?? ''))
    .map((activity) => ({ step: activity.activityName, text: tailOf(wordsOf(activity), maxBytes) }));
}

function wordsOf(activity: ActivityRun): string {
  const { activityType, status, activityRunStart, activityRunEnd, durationInMs, retryAttempt, error } = activity;
  const attempt = retryAttempt ? `, retry ${retryAttempt}` : '';
  const end = activityRunEnd ? ` to ${activityRunEnd}` : '';
  const took = durationInMs === null || durationInMs === undefined ? '' : ` (${durationInMs / 1000} s)`;
  const began = activityRunStart ? ` ${activityRunStart}${end}${took}` : '';
  const lines = [`${activityType ?? 'activity'}: ${status ?? 'no status'}${attempt}${began}`];
  const counts = countsOf(activity.output);
  if (counts !== '') lines.push(counts);
  if (error?.message) lines.push([error.errorCode, error.failureType, withoutSignatures(error.message)].filter(Boolean).join(': '));
  return `${lines.join('\n')}\n`;
}

function countsOf(output: unknown): string {
  if (typeof output !== 'object' || output === null) return '';
  const known = Object.entries(output).filter(([key, value]) => COUNTED.includes(key) && typeof value === 'number');
  return known.map(([key, value]) => `${key} ${String(value)}`).join(', ');
}

function tailOf(words: string, maxBytes: number): string {
  const bytes = Buffer.from(words);
  return bytes.length <= maxBytes ? words : bytes.subarray(bytes.length - maxBytes).toString('utf8');
}
