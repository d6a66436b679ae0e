import type { ServingEntry } from '../../shared/contracts/runs.ts';
import type { Command } from '../command.ts';
import { textOption } from '../command.ts';
import { CommandError, EXIT } from '../failure.ts';
import { readRows } from '../landing.ts';

/** Sends rows to an endpoint by name and prints its answers. */
export const invoke: Command = {
  name: 'invoke',
  args: ['<endpoint>'],
  help: 'Send rows to an endpoint (its name, or region/name) and print the predictions',
  options: [{ flags: '--rows <file>', help: 'JSON or CSV of numbers', required: true }],
  async run(context, [endpoint = ''], options) {
    const { output } = context;
    const rows = await readRows(textOption(options, 'rows') ?? '');
    const api = await context.api();
    const { items } = await api.get<{ items: ServingEntry[] }>('/serving');
    const found = items.filter((entry) => entry.endpoint === endpoint || entry.endpoint.endsWith(`/${endpoint}`));
    const [entry, second] = found;
    if (!entry)
      throw new CommandError(
        EXIT.notFound,
        `Nothing serves as "${endpoint}"`,
        `endpoints that serve: ${items.map((one) => one.endpoint).join(', ') || 'none yet'}`,
      );
    if (second)
      throw new CommandError(EXIT.usage, `"${endpoint}" is several endpoints`, `say which: ${found.map((one) => one.endpoint).join(', ')}`);
    const place = entry.endpoint.split('/').slice(1).map(encodeURIComponent).join('/');
    const answer = await api.send<{ predictions: { label: string; probability: number | null }[]; modelDigest: string }>(
      'POST',
      `/serving/${place}/invoke`,
      { rows },
    );
    output.table(
      ['row', 'prediction', 'probability'],
      answer.predictions.map((one, row) => [String(row), one.label, one.probability === null ? '-' : one.probability.toFixed(4)]),
    );
    output.field('model', answer.modelDigest.slice(0, 12));
    output.result(answer);
    return EXIT.done;
  },
};
