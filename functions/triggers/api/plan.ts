// `plan`: what would happen to a file if it landed now. The decisions of the way in are asked with the facts of this moment, the engine
// computes what refining would do; nothing is written, started or counted.
import { createHash } from 'node:crypto';
import type { EngineChoice } from '../../../shared/contracts/hand-over.ts';
import type { StorageEvent } from '../../../shared/contracts/events.ts';
import { MAX_PLAN_BYTES, type Operations, type Plan, type PlannedPromotion } from '../../../shared/contracts/http-api.ts';
import type { PipelineVersion } from '../../../shared/contracts/pipeline.ts';
import { componentsOf } from '../../../shared/contracts/pipeline/train.ts';
import { charge } from '../../../shared/decisions/breaker.ts';
import { isManifest, ruleOf } from '../../../shared/decisions/completeness.ts';
import { gateInWords } from '../../../shared/decisions/gates.ts';
import { decideHandOver } from '../../../shared/decisions/hand-over.ts';
import { refineKey } from '../../../shared/decisions/identity.ts';
import { type Owner, ownersOf } from '../../../shared/decisions/lake-places.ts';
import { plannedVerdict } from '../../../shared/decisions/planned-verdict.ts';
import { RejectedError, UserError } from '../../../shared/errors/errors.ts';
import type { PreviewFile } from '../../../shared/ports/lake.ts';
import { createCatalog } from '../catalog.ts';
import { judgeFile } from '../judge.ts';
import type { ApiCall, ApiDeps, Handlers } from './call.ts';
import { unknownPipeline } from './guards.ts';
import { allOf, measured } from './measured.ts';
import { type DatasetPlan, plannedDataset } from './plan-dataset.ts';

type Call = ApiCall<Operations['plan']>;

/** Files of a dataset that are refined together for a plan; of a larger dataset the planned file alone is. */
const MAX_TOGETHER = 200;
/** Verdicts of what holds every event of the pipeline: they say nothing about the file, so it is looked at all the same. */
const HELD: ReadonlySet<string> = new Set(['frozen', 'maintenance', 'breaker-open']);

/** The planned file: where it would land, its content once, and its digest when that was read to the end. */
interface PlannedFile {
  path: string;
  /** As the engine reads it. */
  preview: PreviewFile;
  /** Content of a manifest; null for files of rows. */
  text: string | null;
  /** null: not known before its end. */
  bytes: number | null;
  end(): Promise<{ sha256: string; bytes: number }>;
}

export function planHandlers(deps: ApiDeps): Handlers<'plan'> {
  const catalog = createCatalog(deps);
  return {
    async plan(call) {
      const { name } = call.params;
      call.require('operator', { pipeline: name });
      const version = await deps.pipelines.current(name);
      if (!version) throw await unknownPipeline(deps, name, call.may);
      const owner = sourceOf(version, call);
      const file = await fileOf(deps, call, owner);
      const now = deps.now().toISOString();
      const { head } = await deps.ledger.look({ ...deps.lake, path: file.path }, 'plan');
      const judge = (bytes: number) => judgeFile(deps, catalog, eventOf(deps, file.path, bytes, now), head, []);

      const early = await judge(1);
      const passes = early.instanceId !== null || HELD.has(early.verdict.rule);
      const sources = { ledger: deps.ledger, store: deps.store, windows: call.windows() };
      const made = passes ? await plannedDataset(sources, version, owner, file, now) : null;
      const known = made && file.bytes !== null ? engineOf(deps, owner, file, made, file.bytes) : null;
      const refine = made && (await refined(deps, version, owner, file, made, known));
      const { sha256, bytes } = await file.end();
      const engine = made && engineOf(deps, owner, file, made, bytes);
      const judged = bytes === 0 ? await judge(0) : early;
      return { body: await answer(deps, { version, owner, path: file.path, sha256, bytes, judged, made, engine, refine, now }) };
    },
  };
}

interface Found {
  version: PipelineVersion;
  owner: Owner;
  path: string;
  sha256: string;
  bytes: number;
  judged: Awaited<ReturnType<typeof judgeFile>>;
  made: DatasetPlan | null;
  engine: EngineChoice | null;
  refine: Plan['refine'];
  now: string;
}

async function answer(deps: ApiDeps, found: Found): Promise<Plan> {
  const { version, path, sha256, bytes, judged, made, engine, refine, now } = found;
  const { name, digest, spec } = version;
  const files = contentOf(found);
  const key = refineKey({ pipeline: name, contractDigest: digest, files });
  const attempts = (await deps.runs.attempts(name, key)).filter(({ status }) => status !== 'skipped');
  const doneBy = attempts.at(-1)?.runId ?? null;
  const { answer: admission } = charge(await deps.breakers.get(name), name, { kind: 'dataset', key }, spec.limits, now);
  const taken = judged.instanceId !== null;
  const nothing = { verdict: judged.verdict, starts: false };
  const { verdict, starts } = made
    ? plannedVerdict({ ...made, judged: judged.verdict, taken, admission, doneBy, refused: refine?.preview.refused ?? null })
    : nothing;
  const { train } = spec;
  return {
    pipeline: name,
    contractDigest: digest,
    path,
    bytes,
    sha256,
    verdict,
    doneBy: made?.dataset.state === 'complete' ? doneBy : null,
    dataset: bytes === 0 ? null : (made?.dataset ?? null),
    refine: bytes === 0 ? null : refine,
    ...(engine === null || bytes === 0 ? {} : { engine }),
    starts,
    train: {
      backends: train.backend,
      components: componentsOf(train),
      deadline: train.deadline,
      whenBusy: train.whenBusy,
      atMost: train.budget?.perRun ?? null,
    },
    gates: spec.gates.map(gateInWords),
    promotions: promotionsOf(version),
    notes: made?.notes ?? [],
  };
}

/** What the work would be known by: its files with their digests. */
function contentOf({ owner, path, sha256, made }: Found): { path: string; sha256: string }[] {
  if (!made) return [];
  const own = owner.onPremises ? made.remote.map((file) => ({ path: file.uri, sha256: file.sha256 })) : [{ path, sha256 }];
  return [...made.others, ...(isListOf(owner, path) ? [] : own)];
}

function promotionsOf({ spec }: PipelineVersion): PlannedPromotion[] {
  return Object.entries(spec.environments).map(([environment, { start, approval, rollout, parity, targets }]) => ({
    environment,
    start,
    approval,
    rollout,
    parity,
    targets: targets.map(({ name, platform, region, endpoint, component }) => ({
      name,
      platform,
      place: `${region}/${endpoint}`,
      component,
    })),
  }));
}

/** What refining would do with all of the dataset; with this file alone where it is not complete or too large to be tried together. */
async function refined(
  deps: ApiDeps,
  version: PipelineVersion,
  owner: Owner,
  file: PlannedFile,
  made: DatasetPlan,
  engine: EngineChoice | null,
): Promise<Plan['refine']> {
  if (engine !== null && engine.engine !== 'embedded') {
    made.notes.push(`Refining is handed over to ${engine.engine} (${engine.reason}), so it was not tried here`);
    return null;
  }
  if (owner.onPremises) {
    made.notes.push(
      'The rows stay on the premises: what the lake gets is the manifest; refining the rows is tried by who stands beside them',
    );
    if (made.remote.length === 0) return null;
    const preview = await deps.engine.preview({ pipeline: version, files: [], remote: made.remote });
    return { of: 'dataset', files: made.remote.length, preview };
  }
  const complete = made.dataset.state === 'complete' && made.missing.length === 0 && made.problem === null;
  const together = complete && made.others.length < MAX_TOGETHER;
  if (complete && !together) made.notes.push(`The dataset has more than ${MAX_TOGETHER} files: refining was tried with this one alone`);
  const own = file.text === null ? [file.preview] : [];
  const files = together ? [...made.others.map(({ path }) => ({ path })), ...own] : own;
  if (files.length === 0) return null;
  const preview = await deps.engine.preview({ pipeline: version, files });
  return { of: together ? 'dataset' : 'file', files: files.length, preview };
}

/** Who would refine its dataset as it is known; null where everything is refined in the app, and for rows of the premises. */
function engineOf({ policy }: ApiDeps, owner: Owner, file: PlannedFile, { others }: DatasetPlan, bytes: number): EngineChoice | null {
  if (!policy.handOver || owner.onPremises) return null;
  const files = [...others, ...(file.text === null ? [{ path: file.path, bytes }] : [])];
  const sum = (all: typeof files) => all.reduce((total, one) => total + one.bytes, 0);
  const packed = files.filter(({ path }) => /\.gz$/i.test(path));
  return decideHandOver({ files: files.length, bytes: sum(files), packedBytes: sum(packed) }, policy.handOver);
}

/** The source that the file would be of. UserError 422 when that cannot be told, or the source takes no files. */
function sourceOf(version: PipelineVersion, { query }: Call): Owner {
  const owners = ownersOf(version);
  const names = owners.map(({ source }) => source);
  const [only, ...others] = query.source === undefined ? owners : owners.filter(({ source }) => source === query.source);
  const inFolder = owners.find(({ path }) => query.path?.startsWith(path));
  const owner = query.source === undefined && others.length > 0 ? inFolder : only;
  if (!owner) {
    const what = query.source === undefined ? 'takes several sources; say which' : `has no source "${query.source}"`;
    throw new UserError(422, 'plan-source', `Pipeline "${version.name}" ${what}: ${names.join(', ')}`);
  }
  if (owner.delta) {
    const detail = `The source "${owner.source}" is a Delta table; its commits are the datasets, and a file cannot be planned for it`;
    throw new UserError(422, 'plan-source', detail);
  }
  return owner;
}

async function fileOf(deps: ApiDeps, { query, upload }: Call, owner: Owner): Promise<PlannedFile> {
  if (query.path !== undefined && upload !== null) {
    const detail = 'Send the file as the body of the request, or name one of the lake by the parameter "path": one of the two';
    throw new UserError(400, 'plan-file', detail);
  }
  const name = query.as ?? query.path?.slice(query.path.lastIndexOf('/') + 1) ?? 'planned.csv';
  const path = query.as === undefined && query.path?.startsWith(owner.path) ? query.path : owner.path + name;
  // Without a body the file is empty, which a plan tells as landing does.
  return query.path === undefined ? sent(upload ?? nothing(), path, owner) : inLake(deps, query.path, path, owner);
}

async function* nothing(): AsyncIterable<Uint8Array> {}

async function sent(upload: AsyncIterable<Uint8Array>, path: string, owner: Owner): Promise<PlannedFile> {
  if (isList(owner, path)) {
    const content = await allOf(upload);
    const whole = { sha256: createHash('sha256').update(content).digest('hex'), bytes: content.byteLength };
    return { path, preview: { path }, text: Buffer.from(content).toString('utf8'), bytes: whole.bytes, end: async () => whole };
  }
  const stream = measured(upload);
  return { path, preview: { path, content: stream.content }, text: null, bytes: null, end: () => stream.end() };
}

async function inLake(deps: ApiDeps, at: string, path: string, owner: Owner): Promise<PlannedFile> {
  const { container } = deps.lake;
  try {
    if (isList(owner, path)) {
      const { content, sha256 } = await deps.files.readSmall(container, at, null, MAX_PLAN_BYTES);
      return {
        path,
        preview: { path, from: at },
        text: Buffer.from(content).toString('utf8'),
        bytes: content.byteLength,
        end: async () => ({ sha256, bytes: content.byteLength }),
      };
    }
    const whole = await deps.files.fingerprint(container, at, null);
    return { path, preview: { path, from: at }, text: null, bytes: whole.bytes, end: async () => whole };
  } catch (error) {
    if (!(error instanceof RejectedError) || error.code !== 'blob-gone') throw error;
    throw new UserError(404, 'plan-file', `The lake has no file ${container}/${at}`);
  }
}

/** The file says which files make the dataset, or where they are; it holds no rows itself. */
function isList(owner: Owner, path: string): boolean {
  return owner.onPremises || isListOf(owner, path);
}

function isListOf({ collecting }: Owner, path: string): boolean {
  return collecting !== null && isManifest(ruleOf(collecting.complete), path);
}

/** The event that its landing would bring. */
function eventOf({ lake }: ApiDeps, path: string, bytes: number, time: string): StorageEvent {
  return {
    source: '/sluice/plan',
    id: 'plan',
    kind: 'created',
    api: 'PutBlob',
    ...lake,
    path,
    eTag: 'planned',
    sequencer: '',
    bytes,
    time,
  };
}
