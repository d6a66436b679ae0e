// Verdicts for the members of a window once it is known what became of it: a page of them in each call.
import type { Verdict } from '../../shared/contracts/events.ts';
import type { PipelineVersion } from '../../shared/contracts/pipeline.ts';
import type { WindowMember } from '../../shared/contracts/windows.ts';
import { isManifest, reduceMembers } from '../../shared/decisions/completeness.ts';
import { windowIdOf } from '../../shared/decisions/window.ts';
import type { Store } from '../../shared/ports/lake.ts';
import type { Ledger } from '../../shared/ports/stores.ts';
import { listedIn, membersOf, ruleOfSource } from './dataset.ts';

/** Members that get their verdict in one call: well within a minute, also on busy tables. */
const PAGE = 1000;
/** Rows written side by side. */
const WIDTH = 16;

export interface Settling {
  version: PipelineVersion;
  source: string;
  number: number;
  verdict: Verdict;
  runId: string | null;
  after: string | null;
}

export async function settle(
  { ledger, store }: { ledger: Ledger; store: Store },
  { version, source, number, verdict, runId, after }: Settling,
): Promise<{ next: string | null; settled: number; carried: number }> {
  const rule = ruleOfSource(version, source);
  const window = windowIdOf(version.name, source, number);
  if (runId !== null && after === null) await ledger.linkWindow(window, runId);
  const members = await membersOf(ledger, window);
  const { newest, superseded } = reduceMembers(members);
  const listed = await listedIn(store, rule, newest);
  const takenBy = new Map(superseded.map(({ member, by }) => [member.entryId, by]));
  const wanted = listed && new Set(listed);
  const isUnlisted = ({ path }: WindowMember): boolean => wanted !== null && !isManifest(rule, path) && !wanted.has(path);

  const one = async (member: WindowMember): Promise<void> => {
    const by = takenBy.get(member.entryId);
    if (by !== undefined) {
      await ledger.amend(member, member.entryId, { verdict: newerInWindow(window, by), onlyOpen: true });
    } else if (isUnlisted(member)) {
      const next = windowIdOf(version.name, source, number + 1);
      const row = { ...member, ordinal: 0, carried: true };
      await ledger.amend(member, member.entryId, { verdict: notListed(window, next), member: { window: next, row }, onlyOpen: true });
    } else {
      await ledger.amend(member, member.entryId, { verdict: ofMember(verdict, member), runId, byWindow: true, onlyOpen: true });
    }
  };
  const page = members.filter(({ entryId }) => after === null || entryId > after).slice(0, PAGE);
  for (let start = 0; start < page.length; start += WIDTH) await Promise.all(page.slice(start, start + WIDTH).map(one));
  return {
    next: page.length === PAGE ? (page.at(-1)?.entryId ?? null) : null,
    settled: page.length,
    carried: page.filter((member) => !takenBy.has(member.entryId) && isUnlisted(member)).length,
  };
}

/** A member that came too late for its own dataset keeps saying so. */
function ofMember(verdict: Verdict, member: WindowMember): Verdict {
  if (!member.late || verdict.kind !== 'accepted') return verdict;
  return {
    kind: 'late',
    rule: 'late-next',
    reason: `It came after its dataset was closed and went into the next one: ${verdict.reason}`.slice(0, 2000),
    evidence: verdict.evidence,
  };
}

function newerInWindow(window: string, by: string): Verdict {
  const reason = `A newer version of this file (${by}) came before the dataset was closed`;
  return { kind: 'superseded', rule: 'newer-in-window', reason, evidence: { window, by } };
}

function notListed(window: string, next: string): Verdict {
  const reason = 'The manifest of the dataset does not list this file; it waits for the next one';
  return { kind: 'incomplete', rule: 'not-listed', reason, evidence: { window, next } };
}
