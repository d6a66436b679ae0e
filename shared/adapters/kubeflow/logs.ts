// Logs of a run's steps through KFP, without the queries of addresses: the launcher prints a step's parameters, and signed URLs are among them.
import { type KubeflowHttp, withoutSecrets, withoutSignatures } from './http.ts';
import { isStep } from './translate.ts';
import type { Run, Task } from './wire.ts';

/** The end of each step's log, at most `maxBytes` each; steps without one are left out. */
export async function logsOf(http: KubeflowHttp, run: Run, maxBytes: number): Promise<{ step: string; text: string }[]> {
  const logs: { step: string; text: string }[] = [];
  for (const task of (run.run_details?.task_details ?? []).filter(isStep)) {
    const found = await tailOf(http, run, task, maxBytes);
    if (found) logs.push({ step: task.display_name ?? found.pod, text: withoutSignatures(found.text) });
  }
  return logs;
}

async function tailOf(http: KubeflowHttp, run: Run, task: Task, maxBytes: number): Promise<{ pod: string; text: string } | null> {
  for (const pod of [task.pod_name, ...(task.child_tasks ?? []).map((child) => child.pod_name)]) {
    if (!pod) continue;
    const text = await http.tail(`/runs/${encodeURIComponent(run.run_id)}/nodes/${encodeURIComponent(pod)}/log`, maxBytes);
    if (text !== null) return { pod, text };
  }
  return null;
}

/** How a component says why it failed: `<name> <version> failed: <code>: <message>`; the launcher adds lines of its own after it. */
const SAID_WHY = /^[a-z0-9-]+ \S+ (failed|was called wrongly): [a-z0-9-]+: /;

/** What a failed step said last, in one line: its own reason where it gave one. Null where nothing can be read. */
export async function lastWords(http: KubeflowHttp, run: Run, step: string): Promise<string | null> {
  const task = (run.run_details?.task_details ?? []).find((one) => one.display_name === step && isStep(one));
  const found = task ? await tailOf(http, run, task, 16_384) : null;
  const lines = (found?.text ?? '').split('\n').map((line) => line.trim());
  const line = lines.findLast((one) => SAID_WHY.test(one)) ?? lines.findLast((one) => one !== '');
  return line === undefined ? null : withoutSecrets(line);
}
