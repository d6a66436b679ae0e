// A pipeline of small Node programs for the tests: two branches, parameters and artifacts between the steps.
// `pipeline()` gives a fresh copy that a test may bend; `yaml()` is what is uploaded.
import { stringify } from 'yaml';

export const DIGEST = `sha256:${'a'.repeat(64)}`;
export const IMAGE = `registry.local/step@${DIGEST}`;
const artifact = { artifactType: { schemaTitle: 'system.Dataset', schemaVersion: '0.0.1' } };

/** A container step as the tests bend it. */
export interface TestExecutor {
  container: { image: string; command: string[]; args: string[]; [key: string]: unknown };
}

/** An IR document that a test may bend; what is not touched stays unknown. */
export interface TestSpec {
  pipelineInfo: { name: string };
  schemaVersion: string;
  sdkVersion: string;
  components: Record<string, Record<string, unknown>>;
  deploymentSpec: { executors: Record<string, TestExecutor> };
  root: { inputDefinitions?: object; dag: { tasks: Record<string, Record<string, unknown>>; outputs?: object } };
  [key: string]: unknown;
}

/** A container executor that runs JavaScript; `argv[1…]` are the arguments. */
export const program = (script: string, args: string[] = [], more: object = {}): TestExecutor => ({
  container: { image: IMAGE, command: ['node', '-e', script], args, ...more },
});

/** prep → (left, right) → join; the root parameter `n` goes through all of them. */
export function pipeline(): TestSpec {
  return {
    pipelineInfo: { name: 'sample' },
    schemaVersion: '2.1.0',
    sdkVersion: 'tests',
    components: {
      'comp-prep': {
        executorLabel: 'exec-prep',
        inputDefinitions: { parameters: { n: { parameterType: 'NUMBER_INTEGER' } } },
        outputDefinitions: { parameters: { twice: { parameterType: 'NUMBER_INTEGER' } }, artifacts: { data: artifact } },
      },
      'comp-branch': {
        executorLabel: 'exec-branch',
        inputDefinitions: {
          parameters: { side: { parameterType: 'STRING', defaultValue: 'left' } },
          artifacts: { data: artifact },
        },
        outputDefinitions: { artifacts: { out: artifact } },
      },
      'comp-join': {
        executorLabel: 'exec-join',
        inputDefinitions: { parameters: { twice: { parameterType: 'NUMBER_INTEGER' } }, artifacts: { a: artifact, b: artifact } },
        outputDefinitions: {
          parameters: { text: { parameterType: 'STRING' } },
          artifacts: { metrics: { artifactType: { schemaTitle: 'system.Metrics' } } },
        },
      },
    },
    deploymentSpec: {
      executors: {
        'exec-prep': program(
          `const fs = require('fs'); const [n, twice, data] = process.argv.slice(1); console.log('preparing', n); fs.writeFileSync(twice, String(2 * n)); fs.writeFileSync(data, 'rows:' + n);`,
          ["{{$.inputs.parameters['n']}}", "{{$.outputs.parameters['twice'].output_file}}", "{{$.outputs.artifacts['data'].path}}"],
        ),
        'exec-branch': program(
          `const fs = require('fs'); const [side, data, out] = process.argv.slice(1); fs.mkdirSync(out); fs.writeFileSync(out + '/part.txt', side + '(' + fs.readFileSync(data, 'utf8') + ')');`,
          ["{{$.inputs.parameters['side']}}", "{{$.inputs.artifacts['data'].path}}", "{{$.outputs.artifacts['out'].path}}"],
        ),
        'exec-join': program(
          `const fs = require('fs'); const i = JSON.parse(process.argv[1]);
           const part = (k) => fs.readFileSync(i.inputs.artifacts[k].artifacts[0].customPath + '/part.txt', 'utf8');
           fs.writeFileSync(i.outputs.outputFile, JSON.stringify({ parameterValues: { text: part('a') + '+' + part('b') + '=' + i.inputs.parameterValues.twice }, artifacts: { metrics: { artifacts: [{ metadata: { AUC: 0.98 } }] } } }));
           console.log(process.env.KFP_RUN_ID, process.env.KFP_POD_NAME, process.env.OMP_NUM_THREADS, process.env.GREETING, process.env.SECRET_OF_THE_PARENT);`,
          ['{{$}}'],
          {
            env: [{ name: 'GREETING', value: 'hello-$(KFP_MISSING)' }],
            resources: { resourceCpuLimit: '1500m', resourceMemoryLimit: '2Gi' },
          },
        ),
      },
    },
    root: {
      inputDefinitions: { parameters: { n: { parameterType: 'NUMBER_INTEGER' }, note: { parameterType: 'STRING', isOptional: true } } },
      dag: {
        tasks: {
          prep: {
            taskInfo: { name: 'prep' },
            componentRef: { name: 'comp-prep' },
            cachingOptions: {},
            inputs: { parameters: { n: { componentInputParameter: 'n' } } },
          },
          left: branch({}),
          right: branch({ side: { runtimeValue: { constant: 'right' } } }),
          join: {
            taskInfo: { name: 'join' },
            componentRef: { name: 'comp-join' },
            dependentTasks: ['left', 'right'],
            inputs: {
              parameters: { twice: { taskOutputParameter: { producerTask: 'prep', outputParameterKey: 'twice' } } },
              artifacts: {
                a: { taskOutputArtifact: { producerTask: 'left', outputArtifactKey: 'out' } },
                b: { taskOutputArtifact: { producerTask: 'right', outputArtifactKey: 'out' } },
              },
            },
          },
        },
      },
    },
  };
}

function branch(parameters: object): Record<string, unknown> {
  return {
    taskInfo: { name: 'branch' },
    componentRef: { name: 'comp-branch' },
    inputs: { parameters, artifacts: { data: { taskOutputArtifact: { producerTask: 'prep', outputArtifactKey: 'data' } } } },
  };
}

/** One step that runs the given script; no parameters. */
export function single(script: string, task: object = {}, container: object = {}): TestSpec {
  return {
    pipelineInfo: { name: 'single' },
    schemaVersion: '2.1.0',
    sdkVersion: 'tests',
    components: { 'comp-only': { executorLabel: 'exec-only' } },
    deploymentSpec: { executors: { 'exec-only': program(script, [], container) } },
    root: { dag: { tasks: { only: { taskInfo: { name: 'only' }, componentRef: { name: 'comp-only' }, ...task } } } },
  };
}

/** What is uploaded: one document, or two. */
export const yaml = (spec: object, platform?: object): string => stringify(spec) + (platform ? `---\n${stringify(platform)}` : '');
