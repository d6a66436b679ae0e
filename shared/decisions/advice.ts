// What a verdict or a failed run means for a person: what happened in plain words, why, and what to type next. Pure; the API adds it to
// `why` so that every client says the same.
import { isStorageEvent, type LedgerEntry, type VerdictKind } from '../contracts/events.ts';
import type { Advice } from '../contracts/http-api.ts';
import { caseIdOf } from '../contracts/quarantine.ts';
import type { Run } from '../contracts/runs.ts';
import { dataFailure } from './data-failure.ts';

/** What a verdict says of the event, without its rule. */
const WHAT: Readonly<Record<VerdictKind, string>> = {
  accepted: 'It was taken and its story started.',
  duplicate: 'It brings nothing new; nothing was started for it.',
  stale: 'It speaks of an older version; nothing was started for it.',
  superseded: 'A newer version took its place before it was used.',
  ignored: 'Nothing is made of it.',
  incomplete: 'It was kept for a dataset that is not complete yet.',
  late: 'It came after its dataset was closed.',
  quarantined: 'It was read and set aside: its data broke a rule.',
  loop: 'It was kept, and nothing was started: it would have gone in a circle.',
  'over-budget': 'It was kept, and nothing was started: the breaker of its pipeline is open.',
  refused: 'It was kept, and nothing was started for it.',
  malformed: 'The message could not be understood.',
};

/** null for what went its way and needs nobody. `waitingFor` is what the dataset of the event lacks now. */
export function adviceOfEvent(entry: LedgerEntry, now: { waitingFor: string | null }): Advice | null {
  const { verdict, entryId } = entry;
  if (verdict.kind === 'accepted') return null;
  const waits = verdict.kind === 'incomplete' && now.waitingFor !== null;
  const why = waits ? `It waits: ${now.waitingFor}` : verdict.reason;
  return { ref: entryId, what: WHAT[verdict.kind], why, do: stepsOf(entry) };
}

type Steps = (entry: LedgerEntry) => string[];
const replayOf = ({ entryId }: LedgerEntry): string => `sluice replay ${entryId} --reason TEXT`;
const nameOf = ({ pipeline }: LedgerEntry): string => pipeline ?? 'NAME';
const writeAgain = ({ event }: LedgerEntry): string => (isStorageEvent(event) ? `Write ${event.path} again` : 'Send it again');

const mendThenReplay =
  (mend: string): Steps =>
  (entry) => [mend, `Then: ${replayOf(entry)}`];
const say =
  (...steps: string[]): Steps =>
  () =>
    steps;
const unfreeze: Steps = (entry) => {
  const whose = entry.verdict.evidence['pipeline'] === null ? '--all' : nameOf(entry);
  return [`sluice pipelines unfreeze ${whose} --reason TEXT`, replayOf(entry)];
};
const breakCircle: Steps = (entry) => [
  'Break the circle between the pipelines that the chain names',
  `Or, once you are sure: ${replayOf(entry)}`,
];
const nextDataset: Steps = (entry) => [
  `${writeAgain(entry)}: it is then of the next dataset`,
  'Or allow more in sluice.yaml (lateness), and sluice apply DIR',
];
const register = mendThenReplay('Write it into a landing folder, or register the pipeline: sluice apply DIR');
const plainAgain: Steps = (entry) => [`${writeAgain(entry)} with its rows, under a plain path`];
const finalName = say('Write the file under its final name');
const sameWork: Steps = ({ runId }) => (runId === null ? [] : [`Look at the run that did this work: sluice runs show ${runId}`]);

/** What to do, by the rule of the verdict. */
const STEPS: Readonly<Record<string, Steps>> = {
  frozen: unfreeze,
  maintenance: unfreeze,
  'breaker-open': (entry) => [
    `Find what came so often: sluice events --pipeline ${nameOf(entry)}`,
    `sluice pipelines close-breaker ${nameOf(entry)} --reason TEXT`,
    replayOf(entry),
  ],
  'chain-comes-back': breakCircle,
  'chain-too-long': breakCircle,
  'no-pipeline': register,
  'no-such-pipeline': register,
  'future-clock': mendThenReplay('Correct the clock of whoever sends it'),
  'commit-unreadable': mendThenReplay('Repair the log of the table'),
  'foreign-place': say('Correct the event subscription, or SLUICE_LAKE_ACCOUNT and SLUICE_LAKE_CONTAINER'),
  'late-refused': nextDataset,
  'too-late': nextDataset,
  waiting: say('Bring what is missing, or wait for the time that is named'),
  'waiting-for-source': say('Bring the source that is missing, or raise its maxLag in sluice.yaml'),
  'not-listed': say('Nothing when that was meant; else write a manifest that lists it'),
  'same-content': sameWork,
  'unchanged-gold': sameWork,
  'rename-not-a-landing': finalName,
  'folder-renamed': finalName,
  'temporary-name': say('Nothing, or write the file under a name that does not begin with "." or "_"'),
  poisoned: say('Mend the cause that the log of data-landed names', 'Then write the file again'),
  'empty-file': plainAgain,
  'path-not-plain': plainAgain,
  'not-an-event': say('Correct who sends it; the raw message is kept in the store'),
  'no-gold': say('Land a file first: sluice drop FILE --pipeline NAME'),
};

/** Rules without a line of their own are codes of what kept a file from being used, or need nobody. */
function stepsOf(entry: LedgerEntry): string[] {
  const { verdict, runId } = entry;
  const own = Object.hasOwn(STEPS, verdict.rule) ? STEPS[verdict.rule] : undefined;
  if (own) return own(entry);
  if (verdict.kind === 'quarantined') {
    const look = runId === null ? [] : [`Look at its run: sluice runs show ${runId}`];
    return [`Correct the file; see what it would get: sluice plan --file FILE --pipeline ${nameOf(entry)}; then write it again`, ...look];
  }
  return verdict.kind === 'refused' || verdict.kind === 'malformed' ? [`${writeAgain(entry)} once the cause is mended`] : [];
}

type Told = Pick<Run, 'runId' | 'pipeline' | 'key' | 'status' | 'failure' | 'jobs' | 'refined'>;

/** What a run that ended badly, or set rows aside, means; null for the others. Attempts that another one followed need nobody. */
export function adviceOfRun(run: Told, retried: boolean): Advice | null {
  const { runId, status, failure, jobs, refined } = run;
  if (status === 'succeeded' && refined && refined.quarantinedRows > 0) {
    const rows = `${refined.quarantinedRows} ${refined.quarantinedRows === 1 ? 'row' : 'rows'}`;
    const look = `sluice quarantine show ${caseIdOf(run.pipeline, run.key)}`;
    return { ref: runId, what: 'It kept rows aside.', why: `${rows} broke rules`, do: [look] };
  }
  if (retried || (status !== 'failed' && status !== 'cancelled')) return null;
  const why = failure === null ? 'Its record says no more.' : `${failure.code}: ${failure.message}`;
  const retry = `sluice runs retry ${runId} --reason TEXT`;
  if (failure === null || status === 'cancelled') return { ref: runId, what: 'Somebody ended the run.', why, do: [retry] };
  const explained = `docs/errors.md#${failure.code} explains the code${jobs.length === 0 ? '' : `; sluice runs logs ${runId}`}`;
  // The same data would fail again.
  const mend = dataFailure(failure, runId) ? 'Correct the data and write it again: a retry would read the same' : retry;
  return { ref: runId, what: 'The run failed; what it had begun is undone.', why, do: [explained, mend] };
}
