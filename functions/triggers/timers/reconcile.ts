// Events get lost: this goes through the lake, asks the ledger what it knows, and hands what it does not know to the intake as the event
// that should have come. Bounded: a tick reads so many pages for so long, and the next one goes on where it stopped.
import type { InvocationContext } from '@azure/functions';
import type { StorageEvent } from '../../../shared/contracts/events.ts';
import type { Reconciling } from '../../../shared/contracts/vitals.ts';
import { folderFrom, type ListedFolder, listedFolders, shouldBeKnown } from '../../../shared/decisions/listed-folders.ts';
import { missing } from '../../../shared/decisions/reconcile.ts';
import { RejectedError } from '../../../shared/errors/errors.ts';
import type { LakeListing } from '../../../shared/ports/listing.ts';
import type { Starter } from '../../../shared/ports/starter.ts';
import type { Ledger } from '../../../shared/ports/stores.ts';
import type { VitalsStore } from '../../../shared/ports/vitals.ts';
import { type CatalogDeps, createCatalog } from '../catalog.ts';
import type { Intake } from '../intake.ts';

export interface ReconcileDeps extends CatalogDeps {
  listing: LakeListing;
  ledger: Pick<Ledger, 'known'>;
  vitals: Pick<VitalsStore, 'list' | 'reconciling' | 'setReconciling'>;
  intake: Pick<Intake, 'takeEvent'>;
}

export interface ReconcileLimits {
  pages: number;
  /** Files of one page. */
  pageSize: number;
  /** No page is begun after so many milliseconds. */
  ms: number;
  /** Files younger than this are not missed yet: their event may be on its way. */
  graceSeconds: number;
}

/** For the timer. */
export const TICK: ReconcileLimits = { pages: 40, pageSize: 500, ms: 120_000, graceSeconds: 300 };

export interface Reconciled {
  /** Whether the pass came to its end. */
  complete: boolean;
  listed: number;
  /** Entries of what had been lost; at most the first hundred. */
  found: string[];
  lost: number;
}

type Log = Pick<InvocationContext, 'info' | 'warn'>;
type Pass = NonNullable<Reconciling['pass']>;

/** Where the events say they come from. */
const SOURCE = '/sluice/reconciler';
const WIDTH = 8;
const MAX_FOUND = 100;

/**
 * One part of a pass. `fresh`: somebody wants to know now; such a pass begins at the beginning and leaves the timer's bookmark alone.
 * Throws what another tick may mend; whatever was listed before stays done.
 */
export function reconciler(deps: ReconcileDeps) {
  const catalog = createCatalog(deps);

  async function foldersNow(): Promise<ListedFolder[]> {
    const [{ versions }, vitals, listed] = await Promise.all([catalog.registered(true), deps.vitals.list(), deps.pipelines.list()]);
    const metAt = new Map([
      ...listed.map(({ name, updatedAt }) => [name, updatedAt] as const),
      ...vitals.map(({ pipeline, registeredAt }) => [pipeline, registeredAt] as const),
    ]);
    return listedFolders([...versions.values()], (pipeline) => metAt.get(pipeline) ?? deps.now().toISOString());
  }

  /** One page; gives its files that should be known, and where the folder goes on. */
  async function pageOf(folder: ListedFolder, continuation: string | null, limits: ReconcileLimits, log: Log) {
    const before = new Date(deps.now().getTime() - limits.graceSeconds * 1000).toISOString();
    try {
      const page = await deps.listing.page({ folder: folder.folder, continuation, limit: limits.pageSize });
      return { files: page.files.filter((file) => shouldBeKnown(folder, file, before)), continuation: page.continuation, again: false };
    } catch (error) {
      if (!(error instanceof RejectedError) || error.code !== 'listing-expired') throw error;
      log.warn(`${folder.folder} is listed again from its beginning: ${error.message}`);
      return { files: [], continuation: null, again: true };
    }
  }

  /** Gives the ids of the entries that are new: what somebody else took in meanwhile was not lost. */
  async function takeAll(events: readonly StorageEvent[], starter: Starter, log: Log): Promise<string[]> {
    const found: string[] = [];
    for (let start = 0; start < events.length; start += WIDTH) {
      const part = events.slice(start, start + WIDTH);
      const entries = await Promise.all(
        part.map((event) => deps.intake.takeEvent(event, starter, log, { foundBy: 'reconciler', chain: [] })),
      );
      found.push(...entries.filter(({ deliveries }) => deliveries === 1).map((entry) => entry.entryId));
    }
    return found;
  }

  return async (
    starter: Starter,
    log: Log,
    { fresh = false, ...given }: Partial<ReconcileLimits> & { fresh?: boolean } = {},
  ): Promise<Reconciled> => {
    const limits = { ...TICK, ...given };
    const began = deps.now();
    const folders = await foldersNow();
    const known: Reconciling = fresh ? { pass: null, last: null } : ((await deps.vitals.reconciling()) ?? { pass: null, last: null });
    let pass: Pass = known.pass ?? { startedAt: began.toISOString(), listed: 0, found: 0, folder: '', continuation: null };
    const done: Reconciled = { complete: false, listed: 0, found: [], lost: 0 };
    const bookmark = async (reconciling: Reconciling): Promise<void> => {
      if (!fresh) await deps.vitals.setReconciling(reconciling);
    };

    for (let pages = 0; pages < limits.pages && deps.now().getTime() - began.getTime() < limits.ms; pages += 1) {
      const folder = folderFrom(folders, pass.folder);
      if (!folder) break;
      const page = await pageOf(folder, folder.folder === pass.folder ? pass.continuation : null, limits, log);
      const lost = await takeAll(missing(page.files, await deps.ledger.known(page.files), SOURCE), starter, log);

      done.listed += page.files.length;
      done.lost += lost.length;
      done.found.push(...lost.slice(0, MAX_FOUND - done.found.length));
      const ended = page.continuation === null && !page.again;
      pass = {
        ...pass,
        listed: pass.listed + page.files.length,
        found: pass.found + lost.length,
        folder: ended ? (folders.find((one) => one.folder > folder.folder)?.folder ?? END) : folder.folder,
        continuation: page.continuation,
      };
      await bookmark({ ...known, pass });
    }
    done.complete = folderFrom(folders, pass.folder) === null;
    if (done.complete) {
      const { startedAt, listed, found } = pass;
      await bookmark({ pass: null, last: { startedAt, listed, found, finishedAt: deps.now().toISOString() } });
    }
    if (done.lost > 0) log.warn(`the reconciler found ${done.lost} files whose event had been lost`);
    return done;
  };
}

/** Comes after every folder: names of ours and of landing folders are plain. */
const END = '\uffff';
