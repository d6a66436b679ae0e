// A small HTTP client of the v2beta1 API for the tests: what a caller sees, nothing of the inside.
// Answers are loosely typed on purpose: the tests say what must be in them.
import { setTimeout as wait } from 'node:timers/promises';
import { yaml } from './sample-pipeline.ts';

/** A task as the API shows it. */
export interface TaskView {
  task_id: string;
  parent_task_id?: string;
  display_name: string;
  pod_name: string;
  state: string;
  start_time: string;
  end_time: string;
  error?: { code: number; message: string };
  executor_detail?: { main_job: string; failed_main_jobs?: string[] };
}

/** A run as the API shows it. */
export interface RunView {
  run_id: string;
  display_name: string;
  state: string;
  finished_at: string;
  error?: { code: number; message: string };
  state_history: { state: string }[];
  run_details?: { task_details: TaskView[] };
}

/** JSON of an answer, loosely typed: the tests say what must be in it. */
export type Body = Partial<RunView> & Record<string, unknown>;

/** An answer: status and JSON (an object with the text where it is none). */
export interface Answer {
  status: number;
  body: Body;
}

/** A caller of one stand-in. */
export interface Client {
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  upload(name: string, text: string, query?: string): Promise<Answer>;
  /** Uploads a pipeline and starts a run of it; gives the run. */
  run(spec: object, parameters?: object, more?: object): Promise<RunView>;
  /** The run when it has one of the states. */
  until(runId: string, ...states: string[]): Promise<RunView>;
  log(runId: string, node: string): Promise<string>;
}

/** Makes a client over `fetch` to an address. */
export function createClient(url: string, headers: Record<string, string> = {}): Client {
  let uploads = 0;
  const call: Client['call'] = async (method, path, body, more = {}) => {
    const response = await fetch(`${url}/apis/v2beta1${path}`, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...more },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text.startsWith('{') ? (JSON.parse(text) as Body) : { text } };
  };
  const upload: Client['upload'] = async (name, text, query = '') => {
    const form = new FormData();
    form.set('uploadfile', new Blob([text]), 'pipeline.yaml');
    const response = await fetch(`${url}/apis/v2beta1/pipelines/upload?name=${name}${query}`, { method: 'POST', body: form, headers });
    return { status: response.status, body: (await response.json()) as Body };
  };
  const until: Client['until'] = async (runId, ...states) => {
    for (let tries = 0; tries < 600; tries += 1) {
      const { body } = await call('GET', `/runs/${runId}`);
      if (states.includes(body.state ?? '')) return body as RunView;
      await wait(25);
    }
    throw new Error(`${JSON.stringify((await call('GET', `/runs/${runId}`)).body)} run ${runId} has none of ${states.join(', ')}`);
  };
  return {
    call,
    upload,
    until,
    async run(spec, parameters = {}, more = {}) {
      uploads += 1;
      const uploaded = await upload(`pipeline-${uploads}`, yaml(spec));
      if (uploaded.status !== 200) throw new Error(JSON.stringify(uploaded.body));
      const versions = await call('GET', `/pipelines/${String(uploaded.body['pipeline_id'])}/versions`);
      const [version] = versions.body['pipeline_versions'] as { pipeline_id: string; pipeline_version_id: string }[];
      const reference = { pipeline_id: version?.pipeline_id, pipeline_version_id: version?.pipeline_version_id };
      const created = await call('POST', '/runs', {
        display_name: 'a run',
        pipeline_version_reference: reference,
        runtime_config: { parameters },
        ...more,
      });
      if (created.status !== 200) throw new Error(JSON.stringify(created.body));
      return created.body as RunView;
    },
    async log(runId, node) {
      return (await fetch(`${url}/apis/v1alpha1/runs/${runId}/nodes/${node}/log`, { headers })).text();
    },
  };
}
