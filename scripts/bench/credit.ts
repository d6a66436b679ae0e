// Credit-risk training through its component beside the same XGBoost call by itself; and a million rows with and without the accelerator.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { compared, type Compared, median } from './figures.ts';

/** What the published pipeline reports for the converted model (facts/kubeflow.md §3). */
export const PUBLISHED = { update: 1.54, infer: 4.44 };
const LIMIT_MS = 1_800_000;

export interface CreditFigures {
  rows: number;
  source: 'public file' | 'generated';
  /** Seconds on the clock. */
  training: Compared;
  /** Seconds of processor time, which other work on the machine changes less. */
  processor: Compared;
  /** Median seconds that the component spent in the XGBoost call itself. */
  callSeconds: number;
  million: { rows: number; updateSeconds: number; inferSeconds: number; convertedSeconds: number | null; accelerator: string } | null;
}

export interface CreditOptions {
  root: string;
  python: string;
  rounds: number;
  /** Rows of the update and the inference; 0 leaves both out. */
  million: number;
  say: (line: string) => void;
}

/** One thread, processes in turn; the way that begins changes with the round, and one round warms up. */
export async function benchCredit({ root, python, rounds, million, say }: CreditOptions): Promise<CreditFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-credit-'));
  const PYTHONPATH = await packages(root);
  const run = promisify(execFile);
  const environment = { ...process.env, PYTHONPATH, OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', PYTHONDONTWRITEBYTECODE: '1' };
  const ask = async <Answer>(...args: string[]): Promise<Answer> => {
    const { stdout } = await run(python, [join(root, 'scripts/bench/credit.py'), ...args], { env: environment, timeout: LIMIT_MS });
    return JSON.parse(stdout) as Answer;
  };
  try {
    const gold = join(folder, 'gold');
    await mkdir(gold);
    const file = resolve(root, '../shared/data/credit_risk_dataset.csv');
    const isPublic = existsSync(file);
    if (isPublic) await copyFile(file, join(gold, 'part-0.csv'));
    else await run(python, [join(root, 'examples/credit-risk/generate.py'), '--rows', '32581', '--out', join(gold, 'part-0.csv')]);
    const { data, rows } = await ask<{ data: string; rows: number }>('prepare', gold, join(folder, 'steps'));
    const seconds: Record<'component' | 'bare', number[]> = { component: [], bare: [] };
    const processor: Record<'component' | 'bare', number[]> = { component: [], bare: [] };
    const call: number[] = [];
    for (let round = -1; round < rounds; round += 1) {
      for (const way of round % 2 === 0 ? (['bare', 'component'] as const) : (['component', 'bare'] as const)) {
        const found = await ask<{ seconds: number; cpuSeconds: number; callSeconds?: number }>(way, data, join(folder, `${way}${round}`));
        if (round < 0) continue;
        seconds[way].push(found.seconds);
        processor[way].push(found.cpuSeconds);
        if (found.callSeconds !== undefined) call.push(found.callSeconds);
      }
      if (round >= 0)
        say(`round ${round + 1}: component ${seconds.component.at(-1)?.toFixed(2)} s, bare ${seconds.bare.at(-1)?.toFixed(2)} s`);
    }
    const figures: CreditFigures = {
      rows,
      source: isPublic ? 'public file' : 'generated',
      training: compared(seconds.component, seconds.bare),
      processor: compared(processor.component, processor.bare),
      callSeconds: median(call),
      million: null,
    };
    if (million === 0) return figures;
    const base = join(folder, 'component0');
    const update = await ask<{ seconds: number }>('update', data, base, String(million));
    const infer = await ask<{ seconds: number; converted: number | null; version?: string; reason?: string }>(
      'infer',
      data,
      base,
      String(million),
    );
    const accelerator = infer.converted === null ? `absent (${infer.reason ?? 'no reason'})` : `daal4py ${infer.version ?? ''}`.trim();
    return {
      ...figures,
      million: {
        rows: million,
        updateSeconds: update.seconds,
        inferSeconds: infer.seconds,
        convertedSeconds: infer.converted,
        accelerator,
      },
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Every component and what they share, as one search path. */
async function packages(root: string): Promise<string> {
  const names = (await readdir(join(root, 'components'))).filter((name) => name.startsWith('credit-'));
  return [...names, 'protocol'].map((name) => join(root, 'components', name)).join(':');
}

/** What is said of the accelerator: its ratio beside the published one, or that it is absent. */
export function acceleratorWords(plain: number, converted: number | null, published: number): string {
  if (converted === null) return `accelerator absent (published ${published} x)`;
  return `${(plain / converted).toFixed(2)} x (published ${published} x)`;
}

/** A ratio with how far the rounds were apart. */
export const spread = ({ ratio, from, to }: Compared): string => `${ratio.toFixed(3)} (${from.toFixed(2)} to ${to.toFixed(2)})`;

/**
 * Which measure the aim is judged by. Work of others makes the clock run on while nothing of ours does, and it hits the two ways of a round
 * at different times; processor time is what the component really costs.
 */
export function judgedBy(load: number, cores: number): 'clock' | 'processor' {
  return load > cores / 2 ? 'processor' : 'clock';
}
