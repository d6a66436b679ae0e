// A list that a filter leaves empty: a slip of the pipeline's name must not look like quiet.
import type { Api } from './api.ts';
import { CommandError, EXIT } from './failure.ts';

/** 404 with the names that are near, where no pipeline has this name. */
export async function refuseUnknown(api: Api, name: string): Promise<void> {
  const { items } = await api.get<{ items: { name: string }[] }>('/pipelines');
  if (items.some((one) => one.name === name)) return;
  const known = items.map((one) => one.name);
  throw new CommandError(
    EXIT.notFound,
    `There is no pipeline "${name}"`,
    known.length === 0 ? 'register one with: sluice apply DIR' : `registered here: ${known.slice(0, 20).join(', ')}`,
    'pipeline-unknown',
  );
}
