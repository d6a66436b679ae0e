// Registering and reading pipelines. A registration is parsed, completed with its SQL and images, and kept by digest.
import type { PipelineBundle, PipelineVersion, Pipeline } from '../../../shared/contracts/pipeline.ts';
import { componentsOf } from '../../../shared/contracts/pipeline/train.ts';
import { suggestion } from '../../../shared/contracts/did-you-mean.ts';
import { digestOf } from '../../../shared/decisions/digest.ts';
import { weakenedGates } from '../../../shared/decisions/weakened-gates.ts';
import { UserError, type UserProblem } from '../../../shared/errors/errors.ts';
import type { PipelineRegistry } from '../../../shared/ports/stores.ts';
import type { ApiDeps, Handlers } from './call.ts';

const FILE = 'sluice.yaml';
/** The component that sends a model's archive to its bucket: part of Sluice, not named in the file. */
const TRANSFER = 'transfer';

export function pipelineHandlers(deps: ApiDeps): Handlers<'putPipeline' | 'listPipelines' | 'getPipeline'> {
  return {
    async putPipeline({ params, body, caller, require }) {
      require('operator', { pipeline: params.name });
      const version = await versionOf(params.name, body);
      await refuseTakenFolders(deps.pipelines, version);
      const before = await deps.pipelines.current(version.name);
      const weakened = before ? weakenedGates(before.spec.gates, version.spec.gates) : [];
      if (weakened.length > 0) requireApprover(weakened, () => require('approver', { pipeline: params.name }));
      const at = deps.now().toISOString();
      const result = await deps.pipelines.put(version, body, caller.name, at);
      if (result !== 'unchanged') {
        const detail = [`version ${version.digest}`, ...weakened.map((gate) => `weakened gate: ${gate}`)].join('; ');
        await deps.audit.record({ at, actor: caller.name, action: `pipeline.${result}`, subject: version.name, detail });
      }
      return { status: result === 'created' ? 201 : 200, body: { name: version.name, digest: version.digest, result } };
    },

    async listPipelines({ may }) {
      const items = await deps.pipelines.list();
      return { body: { items: items.filter(({ name }) => may('reader', { pipeline: name })) } };
    },

    async getPipeline({ params, query, require }) {
      require('reader', { pipeline: params.name });
      const { digest } = query;
      const version = digest === undefined ? await deps.pipelines.current(params.name) : await deps.pipelines.version(params.name, digest);
      if (version) return { body: version };
      const what = digest === undefined ? `no pipeline "${params.name}"` : `no version ${digest} of pipeline "${params.name}"`;
      throw new UserError(404, 'pipeline-unknown', `There is ${what}; register one with: sluice apply DIR`);
    },
  };
}

/** The version that a bundle makes. UserError 422 `pipeline-invalid` with every problem. */
async function versionOf(name: string, bundle: PipelineBundle): Promise<PipelineVersion> {
  // Loaded here: only a registration needs a YAML parser.
  const { parsePipelineFile } = await import('../../../shared/contracts/pipeline-file.ts');
  const parsed = parsePipelineFile(bundle.file);
  if (!parsed.ok) throw invalid(parsed.problems.map((problem) => ({ file: FILE, ...problem })));
  const spec = parsed.pipeline;
  const problems = [
    ...nameProblems(name, spec),
    ...sqlProblems(spec, bundle.sql),
    ...imageProblems(spec, bundle.images),
    ...releasableProblems(spec, bundle.releasable),
  ];
  if (problems.length > 0) throw invalid(problems);
  const sql = { silver: bundle.sql[spec.tables.silver.sql] ?? '', gold: bundle.sql[spec.tables.gold.sql] ?? '' };
  const { images, releasable } = bundle;
  return { name, digest: digestOf(bundle), spec, sql, images, ...(releasable === undefined ? {} : { releasable }) };
}

function invalid(problems: UserProblem[]): UserError {
  const [first] = problems;
  const place = first?.line === undefined ? '' : `:${first.line}:${first.column ?? 1}`;
  const detail = first
    ? `${first.file ?? FILE}${place} ${first.where}: ${first.problem}${first.mend === undefined ? '' : ` (${first.mend})`}`
    : '';
  const more = problems.length > 1 ? `, and ${problems.length - 1} more` : '';
  return new UserError(422, 'pipeline-invalid', `The pipeline was not registered. ${detail}${more}`, problems);
}

function nameProblems(name: string, spec: Pipeline): UserProblem[] {
  if (spec.pipeline === name) return [];
  return [
    {
      file: FILE,
      where: 'pipeline',
      problem: `the file is of "${spec.pipeline}" and was sent to "${name}"`,
      mend: 'use the same name in both',
    },
  ];
}

function sqlProblems(spec: Pipeline, sql: PipelineBundle['sql']): UserProblem[] {
  const named = { 'tables.silver.sql': spec.tables.silver.sql, 'tables.gold.sql': spec.tables.gold.sql };
  const missing = Object.entries(named).filter(([, file]) => !Object.hasOwn(sql, file));
  const empty = Object.entries(named).filter(([, file]) => Object.hasOwn(sql, file) && sql[file]?.trim() === '');
  const extra = Object.keys(sql).filter((file) => !Object.values(named).includes(file));
  return [
    ...missing.map(([where, file]) => ({ file: FILE, where, problem: `the file "${file}" was not sent`, mend: `put it beside ${FILE}` })),
    ...empty.map(([where, file]) => ({ file, where, problem: 'the file is empty', mend: 'write the SELECT that makes the table' })),
    ...manifestProblems(spec, sql),
    ...extra.map((file) => ({ file, where: 'sql', problem: 'no table uses this file', mend: suggestion(file, Object.values(named)) })),
  ];
}

/** Rows that stay on the premises are no table here: what silver is made of is the manifest. */
function manifestProblems({ data, tables }: Pipeline, sql: PipelineBundle['sql']): UserProblem[] {
  const file = tables.silver.sql;
  if (data === 'lake' || /\bmanifest\b/i.test(sql[file] ?? 'manifest')) return [];
  const problem = 'it does not read "manifest", and with data: on-premises there is nothing else to read';
  return [{ file, where: 'file', problem, mend: 'select uri, bytes, sha256 and what else you need from manifest' }];
}

function imageProblems(spec: Pipeline, images: PipelineBundle['images']): UserProblem[] {
  const targets = Object.entries(spec.environments).flatMap(([environment, { targets: all }]) =>
    all.map((target, index) => ({ where: `environments.${environment}.targets[${index}].component`, component: target.component })),
  );
  const trained = componentsOf(spec.train).map((component) => ({ where: 'train', component }));
  const named = [...trained, ...targets];
  const components = named.map(({ component }) => component);
  const missing = named.filter(({ component }) => !Object.hasOwn(images, component));
  const extra = Object.keys(images).filter((component) => component !== TRANSFER && !components.includes(component));
  const mend = 'the lock file names an image by digest for every component';
  return [
    ...missing.map(({ where, component }) => ({ file: FILE, where, problem: `no image was sent for component "${component}"`, mend })),
    ...extra.map((component) => ({
      where: `images.${component}`,
      problem: 'no step uses this component',
      mend: suggestion(component, components),
    })),
  ];
}

function releasableProblems({ train }: Pipeline, content: string | undefined): UserProblem[] {
  const { releasable: file } = train;
  if ((file === undefined) === (content === undefined)) return [];
  if (file === undefined)
    return [
      {
        where: 'releasable',
        problem: 'rows were sent that the pipeline does not declare releasable',
        mend: 'name their file in train.releasable',
      },
    ];
  return [{ file: FILE, where: 'train.releasable', problem: `the file "${file}" was not sent`, mend: `put it beside ${FILE}` }];
}

/** Two pipelines over one folder would both claim each file that lands there. */
async function refuseTakenFolders(pipelines: PipelineRegistry, version: PipelineVersion): Promise<void> {
  const others = (await pipelines.list()).filter(({ name }) => name !== version.name);
  for (const other of others) {
    const folders = (await pipelines.version(other.name, other.digest))?.spec.sources.map(({ path }) => path) ?? [];
    const taken = version.spec.sources.findIndex(({ path }) => folders.includes(path));
    if (taken < 0) continue;
    const problem = {
      file: FILE,
      where: `sources[${taken}].path`,
      problem: `pipeline "${other.name}" takes this folder`,
      mend: 'choose a folder of its own',
    };
    throw new UserError(409, 'landing-folder-taken', `The pipeline was not registered: ${problem.problem}`, [problem]);
  }
}

function requireApprover(weakened: readonly string[], require: () => void): void {
  try {
    require();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const problems = weakened.map((gate) => ({ file: FILE, where: 'gates', problem: `weaker than before: ${gate}` }));
    throw new UserError(403, 'gate-weakened', `This version weakens a gate, so an approver must register it. ${error.message}`, problems);
  }
}
