import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import type { PromotionAnswer, RunSummary } from '../../shared/contracts/http-api.ts';
import type { Command } from '../command.ts';
import { textOption } from '../command.ts';
import { EXIT } from '../failure.ts';
import { narrator } from '../story-lines.ts';

const POLL_MS = 500;

/** Asks for a promotion by hand. */
export const promote: Command = {
  name: 'promote',
  args: ['<model>'],
  help: 'Promote a model version (its digest, or the beginning of it) to an environment',
  options: [
    { flags: '--environment <name>', help: 'environment of the pipeline', required: true },
    { flags: '--reason <text>', help: 'why; it is kept with the promotion', required: true },
    { flags: '--pipeline <name>', help: 'needed when several pipelines have this model' },
    { flags: '--request <key>', help: 'idempotency key: the same key is the same request' },
    { flags: '--watch', help: 'follow it until it has ended' },
  ],
  async run(context, [model = ''], options) {
    const { output } = context;
    const api = await context.api();
    const pipeline = textOption(options, 'pipeline');
    const body = {
      model,
      environment: textOption(options, 'environment'),
      reason: textOption(options, 'reason'),
      ...(pipeline ? { pipeline } : {}),
    };
    const key = textOption(options, 'request') ?? randomUUID();
    const answer = await api.send<z.infer<typeof PromotionAnswer>>('POST', '/promotions', body, { 'Idempotency-Key': key });
    const { promotionId } = answer.promotion;
    output.line(
      `Promotion ${output.paint.bold(promotionId)} of ${answer.promotion.modelDigest.slice(0, 12)} to ${answer.promotion.environment}`,
    );
    if (!options['watch']) {
      output.line(`  follow it with: sluice runs show ${promotionId}`);
      output.result(answer);
      return EXIT.done;
    }
    const watching = narrator(output);
    let seen = '';
    for (;;) {
      const run = await api.find<RunSummary>(`/runs/${promotionId}`);
      if (run && `${run.status} ${run.phase}` !== seen) {
        seen = `${run.status} ${run.phase}`;
        watching.phase(run);
      }
      if (run && run.status !== 'running') {
        output.result(run);
        return run.status === 'succeeded' ? EXIT.done : EXIT.runFailed;
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  },
};
