// What a candidate must reach before it is registered.
import * as z from 'zod';

/** A gate compares one metric of the run report with a bound or with the champion; a metric that is absent fails it. */
export const Gate = z.union([
  z.strictObject({ metric: z.string().min(1), atLeast: z.number() }),
  z.strictObject({ metric: z.string().min(1), atMost: z.number() }),
  z.strictObject({
    metric: z.string().min(1),
    notWorseThanChampionBy: z.number().min(0),
    direction: z.enum(['higher-is-better', 'lower-is-better']),
  }),
]);
export type Gate = z.infer<typeof Gate>;
