// An environment: its targets, who approves, and how traffic moves.
import * as z from 'zod';
import { Target } from './target.ts';

export const Environment = z
  .strictObject({
    development: z.boolean().default(false),
    targets: z.array(Target).min(1).max(1, 'one target for now: promotion to several targets as one saga is not there yet'),
    approval: z.literal('none').describe('Only in an environment that is named as development'),
    start: z
      .enum(['run', 'manual'])
      .default('manual')
      .describe('run: a candidate that passes its gates is promoted at once; manual: over HTTP'),
    rollout: z.literal('all-at-once').default('all-at-once'),
    parity: z.number().min(0).max(1).default(1).describe('Share of golden rows on which the endpoint must agree with the training side'),
  })
  .refine((environment) => environment.development || environment.approval !== 'none', {
    path: ['approval'],
    message: 'approval: none is allowed only where development: true',
  });
export type Environment = z.infer<typeof Environment>;
