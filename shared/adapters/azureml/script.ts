// The shell text of one step: inputs laid out, the step's own command, then what is to be kept, in order, the run report last.
// Azure ML replaces `${{…}}` in a command as text and gives the rest to a shell, so everything else is quoted here. Pure.
import type { JobSpec, JobStep } from '../../contracts/training.ts';
import { RejectedError } from '../../errors/errors.ts';
import { wireKey } from './place.ts';

/** A step as Azure ML is to run it, independent of whether it is a job of its own or a node of a pipeline. */
export interface StepScript {
  command: string;
  /** Parameters of the run that the step reads, by name. */
  parameters: string[];
  /** Folders and files of the run's inputs: name of the Azure ML input → what it is. */
  inputs: { key: string; storePath: string; kind: 'uri_folder' | 'uri_file' }[];
  /** Folders of earlier steps: name of the Azure ML input → step and output. */
  links: { key: string; step: string; output: string }[];
  /** Own output folders, by name. */
  outputs: string[];
  /** Folders of the store that the step exports into: name of the Azure ML output → folder. */
  exports: { key: string; folder: string }[];
}

const HEREDOC = 'SLUICE_VALUE';

/** `literals` (a sweep) stand in the text instead of being read from an input of the job; `lastly` are lines before the step's exit. */
export function stepScript(
  job: JobSpec,
  step: JobStep,
  literals: Readonly<Record<string, string>> = {},
  lastly: readonly string[] = [],
): StepScript {
  const built: StepScript = { command: '', parameters: [], inputs: [], links: [], outputs: [], exports: [] };
  const before: string[] = [];
  const words = step.command.map(quoted);
  const add = <Item>(list: Item[], item: Item, same: (one: Item) => boolean) => {
    if (!list.some(same)) list.push(item);
  };

  for (const argument of step.args) {
    if (typeof argument === 'string') {
      words.push(quoted(argument));
    } else if ('parameter' in argument) {
      const name = argument.parameter;
      if (!built.parameters.includes(name) && !Object.hasOwn(literals, name)) built.parameters.push(name);
      const line = readValue(name, valueText(job, name, literals));
      if (!before.includes(line)) before.push(line);
      words.push(`"$sluice_p_${name}"`);
    } else if ('from' in argument) {
      const key = `sluice_from_${wireKey(argument.from)}_${argument.output}`;
      add(built.links, { key, step: argument.from, output: argument.output }, (link) => link.key === key);
      words.push(placed(argument.prefix, `\${{inputs.${key}}}/${argument.output}`));
    } else if ('input' in argument) {
      const folder = layOut(job, argument.input, built, before);
      words.push(argument.prefix ? `${quoted(argument.prefix)}${folder}` : folder);
    } else {
      add(built.outputs, argument.output, (output) => output === argument.output);
      words.push(placed(undefined, ownPlace(argument.output)));
    }
  }
  const after = exportLines(job, step, built);
  built.command = [...before, words.join(' '), 'code=$?', ...after, ...lastly, 'exit "$code"'].join('\n');
  built.parameters = built.parameters.filter((name) => !isBare(job.parameters[name]));
  return built;
}

/** The lines that copy what is to be kept. A missing file ends the step badly, unless it may be missing; a failed step keeps only those. */
function exportLines(job: JobSpec, step: JobStep, built: StepScript): string[] {
  const lines: string[] = [];
  const own = job.exports.filter((entry) => entry.step === step.name);
  // The report says that the rest is there, so it goes last whatever order they were asked in.
  own.sort((a, b) => Number(isReport(a.storePath)) - Number(isReport(b.storePath)));
  for (const { output, file, storePath, optional } of own) {
    if (file.split('/').some((part) => part === '..' || part === '.' || part === '')) {
      throw new RejectedError('backend-refused', `Step ${step.name} cannot export "${file}": it is not a plain path.`);
    }
    const folder = storePath.slice(0, storePath.lastIndexOf('/') + 1);
    const target = storePath.slice(folder.length);
    let place = built.exports.find((known) => known.folder === folder);
    if (!place) built.exports.push((place = { key: `sluice_to_${built.exports.length}`, folder }));
    if (!built.outputs.includes(output)) built.outputs.push(output);
    const from = `"${ownPlace(output)}"/${quoted(file)}`;
    const to = `"\${{outputs.${place.key}}}"/${quoted(target)}`;
    const copy = `cp ${from} ${to} || code=74`;
    const missing = `echo ${quoted(`sluice: the step left no file ${file}`)} >&2; code=66`;
    lines.push(
      optional
        ? `if [ -f ${from} ]; then ${copy}; fi`
        : `if [ "$code" -eq 0 ]; then if [ -f ${from} ]; then ${copy}; else ${missing}; fi; fi`,
    );
  }
  return lines;
}

/** The folder of a run input as a shell word; files that do not lie together in the store are linked together first. */
function layOut(job: JobSpec, name: string, built: StepScript, before: string[]): string {
  const files = job.inputs[name];
  if (!files) throw new RejectedError('backend-refused', `The job has no input "${name}".`);
  const key = `sluice_in_${wireKey(name)}`;
  const folders = new Set(files.map(({ storePath }) => storePath.slice(0, storePath.lastIndexOf('/') + 1)));
  const [folder = ''] = folders;
  const together = folders.size === 1 && folder !== '' && files.every((file) => `${folder}${file.name}` === file.storePath);
  if (together) {
    if (!built.inputs.some((input) => input.key === key)) built.inputs.push({ key, storePath: folder, kind: 'uri_folder' });
    return `"\${{inputs.${key}}}"`;
  }
  const place = `"$PWD"/${quoted(`sluice-in/${name}`)}`;
  if (built.inputs.some((input) => input.key === `${key}_0`)) return place;
  before.push(`mkdir -p ${place} || exit 73`);
  files.forEach((file, index) => {
    if (file.name.includes('/') || file.name === '..' || file.name === '.') {
      throw new RejectedError('backend-refused', `The job input "${name}" has a file "${file.name}", which is not a plain name.`);
    }
    built.inputs.push({ key: `${key}_${index}`, storePath: file.storePath, kind: 'uri_file' });
    before.push(`ln -sf "\${{inputs.${key}_${index}}}" ${place}/${quoted(file.name)} || exit 73`);
  });
  return place;
}

/** A value of a run parameter as a shell variable. A here-document with a quoted end expands nothing, whatever the value holds. */
function readValue(name: string, text: string): string {
  return `sluice_p_${name}=$(cat <<'${HEREDOC}'\n${text}\n${HEREDOC}\n)`;
}

function valueText(job: JobSpec, name: string, literals: Readonly<Record<string, string>>): string {
  const literal = Object.hasOwn(literals, name) ? literals[name] : undefined;
  if (literal !== undefined) return checked(name, literal, true);
  if (!Object.hasOwn(job.parameters, name)) throw new RejectedError('backend-refused', `The job has no parameter "${name}".`);
  const value = String(job.parameters[name]);
  checked(name, value, false);
  return isBare(value) ? value : `\${{inputs.${name}}}`;
}

/** The service takes literals that have at least one letter, digit or underscore; others (`{}`, the empty text) stand in the command. */
function isBare(value: string | number | boolean | undefined): boolean {
  return !/[A-Za-z0-9_]/.test(String(value));
}

function checked(name: string, value: string, placeholders: boolean): string {
  if (new RegExp(`^${HEREDOC}$`, 'm').test(value) || (!placeholders && /\$\{\{|\$\[\[/.test(value)) || value.includes('\0')) {
    throw new RejectedError(
      'backend-refused',
      `The value of parameter "${name}" holds text that Azure ML or the shell would take for its own (\${{, $[[ or ${HEREDOC}). Choose another value.`,
    );
  }
  return value;
}

/** A literal shell word in which Azure ML finds nothing to replace. */
export function quoted(text: string): string {
  if (text.includes('\0')) throw new RejectedError('backend-refused', 'An argument holds a zero byte, which no program can be given.');
  const safe = text.replaceAll("'", `'\\''`).replace(/\$(?=\{\{|\[\[)/g, `'"$"'`);
  return `'${safe}'`;
}

/**
 * Where a step writes an output: below the mounted folder, so that the path is free and the step may make a folder or a file of it,
 * as it may everywhere else.
 */
export const ownPlace = (output: string): string => `\${{outputs.${output}}}/${output}`;

/** A path that Azure ML puts in, with an optional prefix, as one shell word. */
function placed(prefix: string | undefined, place: string): string {
  return `"${prefix ?? ''}${place}"`;
}

const isReport = (path: string): boolean => path === 'run-report.json' || path.endsWith('/run-report.json');
