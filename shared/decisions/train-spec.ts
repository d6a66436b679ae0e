// What a training is made of: the steps of a pipeline's `train` part whichever way it is written, its identity, and other parameters for one run.
import { suggestion } from '../contracts/did-you-mean.ts';
import type { Params, Train, TrainStep } from '../contracts/pipeline/train.ts';
import type { ParamOverrides } from '../contracts/stories.ts';
import { RejectedError, type UserProblem } from '../errors/errors.ts';
import { digestOf } from './digest.ts';

/** Name of the only step of a pipeline that states `component`. */
const ONLY_STEP = 'train';

/** The steps as a graph; one component is a graph of one. */
export function stepsOf(train: Train): TrainStep[] {
  if (train.steps) return train.steps;
  const { component = '', cpu, memoryGiB, keep, releasable } = train;
  const inputs = { gold: 'gold', ...(releasable === undefined ? {} : { releasable: 'releasable' }) };
  return [{ name: ONLY_STEP, component, inputs, params: {}, cpu, memoryGiB, keep }];
}

/** The step that leaves the report and the model. */
export function resultStepOf(train: Train): string {
  return train.result ?? stepsOf(train).at(-1)?.name ?? ONLY_STEP;
}

/** Components that training needs an image for, each once. */
export function componentsOf(train: Train): string[] {
  return [...new Set(stepsOf(train).map(({ component }) => component))];
}

/** What a step is given: its own parameters over those of the whole training. */
export function paramsOf(train: Train, step: TrainStep): Params {
  return { ...train.params, ...step.params };
}

/**
 * What makes a training specification: components, images, parameters, resources and the shape of the graph. What does not change
 * the model is not in it: deadline, backend, budget, kept files. Rejects `image-unknown`.
 */
export function specDigestOf(train: Train, images: Readonly<Record<string, string>>): string {
  const imageOf = (component: string): string => {
    const image = Object.hasOwn(images, component) ? images[component] : undefined;
    if (image === undefined) throw new RejectedError('image-unknown', `The lock file has no image for component "${component}"`);
    return image;
  };
  if (train.steps === undefined) {
    const component = train.component ?? '';
    return digestOf(['spec', component, imageOf(component), train.params, train.cpu, train.memoryGiB]);
  }
  const steps = train.steps.map((step) => {
    const { name, component, inputs, cpu, memoryGiB } = step;
    return { name, component, image: imageOf(component), inputs, params: paramsOf(train, step), cpu, memoryGiB };
  });
  return digestOf(['spec-graph', steps, resultStepOf(train)]);
}

export type Overridden = { ok: true; train: Train } | { ok: false; problems: UserProblem[] };

/**
 * The training with other values for some of its declared parameters. A name stands for a parameter of the whole training, or for
 * the one step that declares it; `<step>.<name>` says which. A value must be of the declared one's type.
 */
export function withOverrides(train: Train, overrides: ParamOverrides): Overridden {
  const changed: Train = structuredCloneOf(train);
  const problems = Object.entries(overrides).flatMap(([name, value]) => {
    const place = placeOf(changed, name);
    if ('problem' in place) return [place.problem];
    const before = place.params[place.key];
    if (kindOf(before) !== kindOf(value)) {
      return [
        {
          where: name,
          problem: `expected ${kindOf(before)} as in sluice.yaml, found ${kindOf(value)}`,
          mend: `it is ${JSON.stringify(before)} there`,
        },
      ];
    }
    place.params[place.key] = value;
    return [];
  });
  return problems.length > 0 ? { ok: false, problems } : { ok: true, train: changed };
}

/** Like `withOverrides`, where a problem cannot be answered any more: RejectedError `param-refused`. */
export function overridden(train: Train, overrides: ParamOverrides | undefined): Train {
  if (overrides === undefined) return train;
  const result = withOverrides(train, overrides);
  if (result.ok) return result.train;
  const words = result.problems.map(({ where, problem }) => `${where}: ${problem}`).join('; ');
  throw new RejectedError('param-refused', `The parameters of this run do not fit the pipeline: ${words}`);
}

/** Names that `withOverrides` takes. */
export function parameterNames(train: Train): string[] {
  const shared = Object.keys(train.params);
  const own = (train.steps ?? []).flatMap((step) => Object.keys(step.params).map((name) => `${step.name}.${name}`));
  return [...shared, ...own];
}

type Place = { params: Params; key: string } | { problem: UserProblem };

function placeOf(train: Train, name: string): Place {
  const [first = '', second] = name.split('.');
  const steps = train.steps ?? [];
  if (second !== undefined) {
    const step = steps.find((one) => one.name === first);
    return step && Object.hasOwn(step.params, second) ? { params: step.params, key: second } : unknown(train, name);
  }
  if (Object.hasOwn(train.params, first)) return { params: train.params, key: first };
  const owners = steps.filter((step) => Object.hasOwn(step.params, first));
  const [owner] = owners;
  if (!owner) return unknown(train, name);
  if (owners.length === 1) return { params: owner.params, key: first };
  const choices = owners.map((step) => `${step.name}.${first}`).join(' or ');
  return { problem: { where: name, problem: `${owners.length} steps declare this parameter`, mend: `say which: ${choices}` } };
}

function unknown(train: Train, name: string): Place {
  return { problem: { where: name, problem: 'the pipeline declares no such parameter', mend: suggestion(name, parameterNames(train)) } };
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list of numbers';
  return `a ${typeof value}`;
}

/** Parameters are plain data: a copy by hand, because decisions run where `structuredClone` may be absent. */
function structuredCloneOf(train: Train): Train {
  const steps = train.steps?.map((step) => ({ ...step, params: { ...step.params } }));
  return { ...train, params: { ...train.params }, ...(steps ? { steps } : {}) };
}
