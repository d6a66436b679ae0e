// Which pipeline files are taken and which are refused, with the place and the reason.
import { describe, expect, test } from 'vitest';
import { ConditionError, parseCondition } from '../../../../local/cloud/kubeflow/ir/condition.ts';
import { readPipelineFile } from '../../../../local/cloud/kubeflow/ir/pipeline-file.ts';
import { pipeline, single, yaml, type TestSpec } from './sample-pipeline.ts';

const platform = (executor: object, label = 'exec-join') => ({
  platforms: { kubernetes: { deploymentSpec: { executors: { [label]: executor } } } },
});

/** The sample, changed. */
function bent(change: (spec: TestSpec) => void): string {
  const spec = pipeline();
  change(spec);
  return yaml(spec);
}

test('a compiled pipeline with a platform document is taken', () => {
  const text = yaml(
    pipeline(),
    platform({
      nodeSelector: { labels: { intelvm: 'sgx' } },
      secretAsEnv: [{ secretNameParameter: { runtimeValue: { constant: 's' } }, keyToEnv: [{ secretKey: 'k', envVar: 'E' }] }],
      tolerations: [{ key: 'sgx', operator: 'Exists', effect: 'NoSchedule' }],
      activeDeadlineSeconds: 600,
    }),
  );

  expect(readPipelineFile(text).platform?.platforms?.['kubernetes']?.deploymentSpec?.executors).toHaveProperty('exec-join');
});

describe('a file is refused for', () => {
  test.each<[string, string, RegExp]>([
    ['text that is not YAML', 'a: [', /unable to decode yaml document/],
    ['a key given twice', 'pipelineInfo: {name: a}\npipelineInfo: {name: b}\n', /Map keys must be unique/],
    [
      'aliases that multiply',
      `a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\npipelineInfo: [*c,*c,*c,*c,*c,*c]\n`,
      /alias/i,
    ],
    ['nothing in it', '', /no pipeline spec is provided/],
    ['two pipelines', `${yaml(pipeline())}---\n${yaml(pipeline())}`, /multiple pipeline specs/],
    ['a third kind of document', `${yaml(pipeline())}---\nkind: Workflow\n`, /neither a pipeline spec nor a platform spec/],
    ['another schema version', bent((spec) => (spec.schemaVersion = '2.0.0')), /only supports schema version 2\.1\.0/],
    ['a name with capitals', bent((spec) => (spec.pipelineInfo.name = 'Train')), /lower case alphanumeric/],
    ['an unknown key at the top', bent((spec) => (spec['runtime'] = {})), /unknown field "runtime" in pipeline/],
    [
      'an unknown key in a container',
      bent((spec) => (spec.deploymentSpec.executors['exec-prep']!.container['privileged'] = true)),
      /unknown field "privileged" in .*exec-prep'\]\.container/,
    ],
    [
      'a retry count that is text',
      bent((spec) => (spec.root.dag.tasks['prep']!['retryPolicy'] = { maxRetryCount: 'twice' })),
      /maxRetryCount: expected a number/,
    ],
    [
      'runtimeClassName, which does not exist',
      yaml(pipeline(), platform({ runtimeClassName: 'kata-remote' })),
      /unknown field "runtimeClassName" in platform/,
    ],
    ['platform settings of no executor', yaml(pipeline(), platform({}, 'exec-other')), /executor exec-other, which does not exist/],
    [
      'a component that is not there',
      bent((spec) => (spec.root.dag.tasks['prep']!['componentRef'] = { name: 'comp-x' })),
      /component comp-x does not exist/,
    ],
    [
      'a component named like an inherited property',
      bent((spec) => (spec.root.dag.tasks['prep']!['componentRef'] = { name: 'constructor' })),
      /component constructor does not exist/,
    ],
    [
      'an executor that is not there',
      bent((spec) => (spec.components['comp-prep']!['executorLabel'] = 'exec-x')),
      /executor exec-x does not exist/,
    ],
    [
      'a task that would leave its folder',
      bent((spec) => (spec.root.dag.tasks['../up'] = spec.root.dag.tasks['prep']!)),
      /the name "\.\.\/up"/,
    ],
    [
      'a dependency on nothing',
      bent((spec) => (spec.root.dag.tasks['prep']!['dependentTasks'] = ['ghost'])),
      /depends on ghost, which does not exist/,
    ],
    [
      'tasks that wait for each other',
      bent((spec) => (spec.root.dag.tasks['prep']!['dependentTasks'] = ['join'])),
      /tasks wait for each other: /,
    ],
    [
      'an output that the producer has not',
      bent((spec) => {
        spec.components['comp-prep']!['outputDefinitions'] = {};
        spec.deploymentSpec.executors['exec-prep']!.container.args = [];
      }),
      /task prep has no output/,
    ],
    [
      'an input that the component has not',
      bent(
        (spec) =>
          (spec.root.dag.tasks['prep']!['inputs'] = {
            parameters: { n: { componentInputParameter: 'n' }, m: { runtimeValue: { constant: 1 } } },
          }),
      ),
      /inputs\.parameters\.m: the component has no such input/,
    ],
    ['an input that is missing', bent((spec) => (spec.root.dag.tasks['prep']!['inputs'] = {})), /input parameter n is missing/],
    [
      'a placeholder for something undeclared',
      bent((spec) => (spec.deploymentSpec.executors['exec-prep']!.container.args = ["{{$.inputs.parameters['nn']}}"])),
      /placeholder for nn/,
    ],
    [
      'a placeholder of unknown form',
      bent((spec) => (spec.deploymentSpec.executors['exec-prep']!.container.args = ['{{$.secrets}}'])),
      /unknown placeholder \{\{\$\.secrets\}\}/,
    ],
    [
      'a condition that cannot be read',
      bent((spec) => (spec.root.dag.tasks['join']!['triggerPolicy'] = { condition: "size(inputs.parameter_values['twice']) > 1" })),
      /cannot read the condition/,
    ],
    [
      'a condition on what is no input',
      bent((spec) => (spec.root.dag.tasks['join']!['triggerPolicy'] = { condition: "inputs.parameter_values['n'] > 1" })),
      /reads parameter n/,
    ],
    [
      'a loop',
      bent((spec) => (spec.root.dag.tasks['join']!['parameterIterator'] = { itemInput: 'x' })),
      /no iterators \(stricter than the service\)/,
    ],
    ['no image', yaml(single('0', {}, { image: '' })), /has no image/],
    [
      'an environment name with a space',
      yaml(single('0', {}, { env: [{ name: 'A B', value: 'x' }] })),
      /not the name of an environment variable/,
    ],
  ])('%s', (_, text, message) => {
    expect(() => readPipelineFile(text)).toThrow(message);
  });

  test('a component that contains itself', () => {
    const spec = pipeline();
    spec.components['comp-loop'] = { dag: { tasks: { again: { componentRef: { name: 'comp-loop' } } } } };
    spec.root.dag.tasks['loop'] = { componentRef: { name: 'comp-loop' } };

    expect(() => readPipelineFile(yaml(spec))).toThrow(/component comp-loop contains itself/);
  });
});

describe('conditions', () => {
  const values = { auc: 0.83, name: "it's", flag: true, n: 3, kinds: ['a'] };

  test.each<[string, boolean]>([
    ["inputs.parameter_values['auc'] >= 0.8", true],
    ["inputs.parameter_values['auc'] >= 0.8 && inputs.parameter_values['n'] == 4", false],
    ["inputs.parameter_values['n'] == 4 || !(inputs.parameter_values['flag'] == false)", true],
    ["inputs.parameter_values['name'] == 'it\\'s'", true],
    ['inputs.parameter_values["n"] * 2 + 1 == 7 && -1 < 0', true],
    ["inputs.parameter_values['n'] in [1, 2, 3]", true],
    ["inputs.parameter_values['name'] != ''", true],
    ['1 + 2 * 3 == 7', true],
    ['8 - 4 - 2 == 2', true],
  ])('%s → %s', (text, expected) => {
    expect(parseCondition(text).evaluate(values)).toBe(expected);
  });

  test.each([
    '',
    '1',
    "inputs.parameter_values['auc'] >",
    "inputs.parameter_values['constructor'] == 1",
    "inputs.parameter_values['name'] > 1",
    'process.exit(1)',
    '('.repeat(80),
  ])('refuses %s', (text) => {
    expect(() => parseCondition(text).evaluate(values)).toThrow(ConditionError);
  });
});
