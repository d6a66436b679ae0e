import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { z } from 'zod';
import type { RunFile, RunReports, ToppedUp } from '../../shared/contracts/http/training.ts';
import { type Command, textOption } from '../command.ts';
import { CommandError, EXIT } from '../failure.ts';

/** Plots and tables that the steps of a training left, into a folder of this machine. */
export const runsFiles: Command = {
  name: 'runs files',
  args: ['<id>'],
  help: 'List the files that a training left (plots, tables), or fetch them',
  options: [{ flags: '--out <dir>', help: 'folder to write them to' }],
  async run(context, [id = ''], options) {
    const { output } = context;
    const api = await context.api();
    const { files } = await api.get<z.infer<typeof RunReports>>(`/runs/${encodeURIComponent(id)}/report`);
    const dir = textOption(options, 'out');
    if (files.length === 0) output.line('This run left no files that the pipeline keeps; it keeps those under "keep" in sluice.yaml');
    const written: string[] = [];
    for (const { step, file } of files) {
      if (dir === undefined) {
        output.field(step, file);
        continue;
      }
      const found = await api.find<z.infer<typeof RunFile>>(`/runs/${encodeURIComponent(id)}/files/${step}/${encodeURIComponent(file)}`);
      if (found === null) {
        output.field(step, `${file}: the step did not leave it`);
        continue;
      }
      await mkdir(resolve(dir), { recursive: true });
      const path = join(resolve(dir), file);
      await writeFile(path, Buffer.from(found.base64, 'base64'));
      written.push(path);
      output.field(step, `${path}, ${found.bytes} bytes`);
    }
    output.result({ files, written });
    return EXIT.done;
  },
};

/** Allows a run that works to cost more. */
export const runsTopUp: Command = {
  name: 'runs top-up',
  args: ['<id>', '<amount>'],
  help: 'Allow a run that works to cost more (approver)',
  options: [
    { flags: '--reason <text>', help: 'why', required: true },
    { flags: '--request <key>', help: 'idempotency key: the same key is the same request' },
  ],
  async run(context, [id = '', amount = ''], options) {
    const value = Number(amount);
    if (!(value > 0))
      throw new CommandError(EXIT.usage, `"${amount}" is no amount`, 'a number above zero, in the currency of train.budget');
    const body = { amount: value, reason: textOption(options, 'reason') };
    const key = textOption(options, 'request') ?? randomUUID();
    const api = await context.api();
    const answer = await api.send<z.infer<typeof ToppedUp>>('POST', `/runs/${encodeURIComponent(id)}/top-up`, body, {
      'Idempotency-Key': key,
    });
    context.output.line(`${answer.runId} is stopped at ${answer.limit} now`);
    context.output.result(answer);
    return EXIT.done;
  },
};
