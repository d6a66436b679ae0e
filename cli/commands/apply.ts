import { resolve } from 'node:path';
import type { Command } from '../command.ts';
import { textOption } from '../command.ts';
import { readLock } from '../lock-file.ts';
import { readPipelineFolder } from '../pipeline-folder.ts';

/** Registers a pipeline: checks the folder here, sends it whole, says what changed. */
export const apply: Command = {
  name: 'apply',
  args: ['<dir>'],
  help: 'Register the pipeline in a folder (sluice.yaml and its SQL)',
  options: [{ flags: '--images <file>', help: 'lock file of images by digest (JSON: component → image); the local stack’s without it' }],
  async run(context, [dir = '.'], options) {
    const { output } = context;
    const images = await readLock(context, textOption(options, 'images'));
    const { pipeline, bundle } = await readPipelineFolder(resolve(dir), images);
    const api = await context.api();
    const answer = await api.send<{ name: string; digest: string; result: string }>('PUT', `/pipelines/${pipeline.pipeline}`, bundle);
    output.line(`Pipeline ${output.paint.bold(answer.name)} ${answer.result}, version ${answer.digest.slice(0, 12)}`);
    for (const source of pipeline.sources) output.field('lands in', `${source.path}`);
    output.result(answer);
    return 0;
  },
};
