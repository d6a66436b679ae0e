// What makes two jobs of one name the same job: the graph that they run. Values are not part of it: a repeat comes with fresh signed URLs.
import type { JobSpec } from '../contracts/training.ts';
import { digestOf } from './digest.ts';

/** Digest of a job's name for people, steps and types of parameters. */
export function graphDigest(job: Pick<JobSpec, 'graph' | 'steps' | 'parameters'>): string {
  const types = Object.fromEntries(Object.entries(job.parameters).map(([name, value]) => [name, typeof value]));
  return digestOf({ graph: job.graph, steps: job.steps, types });
}

/** Steps whose outputs a step reads, each once. */
export function producersOf(step: JobSpec['steps'][number]): string[] {
  return [...new Set(step.args.flatMap((argument) => (typeof argument === 'object' && 'from' in argument ? [argument.from] : [])))];
}

/** What is wrong with a graph: names that occur twice, references that lead nowhere, steps that wait for each other. null when nothing is. */
export function graphProblem(job: Pick<JobSpec, 'steps' | 'parameters' | 'inputs' | 'exports'>): string | null {
  const names = job.steps.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) return `two steps are called "${twice}"`;
  for (const step of job.steps) {
    for (const argument of step.args) {
      if (typeof argument === 'string') continue;
      if ('parameter' in argument && !Object.hasOwn(job.parameters, argument.parameter))
        return `step "${step.name}" uses parameter "${argument.parameter}", which the job does not have`;
      if ('input' in argument && !Object.hasOwn(job.inputs, argument.input))
        return `step "${step.name}" reads input "${argument.input}", which the job does not have`;
      if ('from' in argument && !names.includes(argument.from))
        return `step "${step.name}" reads from step "${argument.from}", which does not exist`;
    }
  }
  const stray = job.exports.find(({ step }) => !names.includes(step));
  if (stray) return `a file of step "${stray.step}" is exported, which does not exist`;
  return cycleIn(job.steps);
}

function cycleIn(steps: JobSpec['steps']): string | null {
  const waits = new Map(steps.map((step) => [step.name, producersOf(step)]));
  while (waits.size > 0) {
    const ready = [...waits].filter(([, producers]) => producers.every((producer) => !waits.has(producer)));
    if (ready.length === 0) return `the steps ${[...waits.keys()].map((name) => `"${name}"`).join(', ')} wait for each other`;
    for (const [name] of ready) waits.delete(name);
  }
  return null;
}
