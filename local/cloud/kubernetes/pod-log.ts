// The log of a pod's container, as `GET …/pods/{name}/log` gives it. Every line bears the time of the last write to the log:
// the stand-in keeps no time per line (coarser than the service).
import { existsSync, readFileSync, statSync } from 'node:fs';
import type { Clock } from '../kit/clock.ts';
import type { PodRecord } from './cluster.ts';
import { StatusError } from './status.ts';

const MAX_LOG = 64 * 1_048_576;

/** Throws 400 for a container that is not there or has not started, and for a number that is none. */
export function podLog(pod: PodRecord, query: URLSearchParams, clock: Clock): string {
  const container = query.get('container') ?? 'main';
  if (container !== 'main') throw new StatusError(400, `container ${container} is not valid for pod ${pod.name}`);
  if (!pod.state.running && !pod.state.terminated) {
    const reason = pod.state.waiting?.reason ?? 'PodScheduled';
    throw new StatusError(400, `container "main" in pod "${pod.name}" is waiting to start: ${reason}`);
  }
  const lines = textOf(pod).split('\n');
  if (lines.at(-1) === '') lines.pop();
  const tail = whole(query, 'tailLines');
  const kept = tail === undefined ? lines : tail === 0 ? [] : lines.slice(-tail);
  const stamp = query.get('timestamps') === 'true' ? `${writtenAt(pod, clock)} ` : '';
  const text = kept.map((line) => `${stamp}${line}\n`).join('');
  const limit = whole(query, 'limitBytes');
  return limit === undefined ? text : Buffer.from(text).subarray(0, limit).toString('utf8');
}

function textOf({ logFile }: PodRecord): string {
  if (!existsSync(logFile)) return '';
  if (statSync(logFile).size > MAX_LOG) throw new StatusError(400, 'the log is larger than the stand-in reads');
  return readFileSync(logFile, 'utf8');
}

/** The last write in the stand-in's time: its clock may have been moved. */
function writtenAt({ logFile }: PodRecord, clock: Clock): string {
  const ago = existsSync(logFile) ? Math.max(0, Date.now() - statSync(logFile).mtimeMs) : 0;
  return new Date(clock.now() - ago).toISOString();
}

function whole(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new StatusError(400, `strconv.ParseInt: parsing "${text.slice(0, 40)}": invalid syntax`);
  return Number(text);
}
