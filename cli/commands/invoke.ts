import type { z } from 'zod';
import type { InvokeAnswer } from '../../shared/contracts/http/models.ts';
import type { ServingEntry } from '../../shared/contracts/runs.ts';
import type { Prediction } from '../../shared/contracts/serving.ts';
import type { Command } from '../command.ts';
import { textOption } from '../command.ts';
import { CommandError, EXIT } from '../failure.ts';
import type { Output } from '../output.ts';
import { readRowsFile } from '../rows-file.ts';

/** Sends rows to an endpoint, by its name or its pipeline's, and prints its answers. */
export const invoke: Command = {
  name: 'invoke',
  args: ['<endpoint>'],
  help: 'Send rows to an endpoint (its name, region/name, or its pipeline) and print the predictions',
  options: [
    { flags: '--rows <file>', help: 'JSON or CSV: numbers, texts, nothing where a value is missing' },
    { flags: '--file <file>', help: 'the same: a request as the endpoint takes it, {"data": [[…]]}' },
  ],
  async run(context, [name = ''], options) {
    const { output } = context;
    const [file, second] = ['rows', 'file'].map((option) => textOption(options, option)).filter((one) => one !== undefined);
    if (file === undefined || second !== undefined)
      throw new CommandError(EXIT.usage, 'invoke takes one file of rows', 'say --rows FILE (or --file FILE, which is the same)');
    const rows = await readRowsFile(file);
    const api = await context.api();
    const { items } = await api.get<{ items: ServingEntry[] }>('/serving');
    const { endpoint } = theOne(name, items);
    const place = endpoint.split('/').slice(1).map(encodeURIComponent).join('/');
    const answer = await api.send<z.infer<typeof InvokeAnswer>>('POST', `/serving/${place}/invoke`, { rows });
    showPredictions(output, answer.predictions);
    output.field('endpoint', answer.endpoint);
    output.field('model', answer.modelDigest.slice(0, 12));
    output.result(answer);
    return EXIT.done;
  },
};

/** The endpoint of this name, or the one that this pipeline serves at. */
function theOne(name: string, items: readonly ServingEntry[]): ServingEntry {
  const named = items.filter(({ endpoint }) => endpoint === name || endpoint.endsWith(`/${name}`));
  const found = named.length > 0 ? named : items.filter(({ pipeline }) => pipeline === name);
  const [entry, second] = found;
  if (!entry)
    throw new CommandError(
      EXIT.notFound,
      `Nothing serves as "${name}"`,
      `endpoints that serve: ${items.map(({ endpoint, pipeline }) => `${endpoint} (${pipeline})`).join(', ') || 'none yet'}`,
    );
  if (second)
    throw new CommandError(EXIT.usage, `"${name}" is several endpoints`, `say which: ${found.map(({ endpoint }) => endpoint).join(', ')}`);
  return entry;
}

function showPredictions(output: Output, predictions: readonly Prediction[]): void {
  if (predictions.every((one) => 'value' in one)) {
    output.table(
      ['row', 'value'],
      predictions.map(({ value }, row) => [String(row), String(Number(value.toPrecision(7)))]),
    );
    return;
  }
  output.table(
    ['row', 'prediction', 'probability'],
    predictions.map((one, row) =>
      'value' in one
        ? [String(row), String(one.value), '-']
        : [String(row), one.label, one.probability === null ? '-' : one.probability.toFixed(4)],
    ),
  );
}
