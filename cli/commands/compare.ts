import type { Comparison } from '../../shared/contracts/http/training.ts';
import type { Command } from '../command.ts';
import { EXIT } from '../failure.ts';

/** Two trainings side by side: only what differs is listed. */
export const compare: Command = {
  name: 'compare',
  args: ['<run>', '<run>'],
  help: 'Compare two trainings: parameters, metrics, slices, data, curves',
  async run(context, [a = '', b = '']) {
    const { output } = context;
    const found = await (await context.api()).get<Comparison>(`/compare?${new URLSearchParams({ a, b }).toString()}`);
    output.field('a', `${found.a.runId}  ${found.a.status}${found.a.backend ? ` on ${found.a.backend}` : ''}`);
    output.field('b', `${found.b.runId}  ${found.b.status}${found.b.backend ? ` on ${found.b.backend}` : ''}`);
    output.field('data', found.data.words);
    output.line();
    if (found.params.length > 0) {
      output.table(
        ['parameter', 'a', 'b'],
        found.params.map(({ name, a: left, b: right }) => [name, shown(left), shown(right)]),
      );
    }
    output.field('parameters', `${found.equalParams} are equal`);
    output.table(
      ['metric', 'a', 'b', 'b - a'],
      found.metrics.map(({ name, a: left, b: right, difference }) => [name, shown(left), shown(right), signed(difference)]),
    );
    const slices = found.slices.flatMap((slice) =>
      slice.metrics.map((metric) => [`${slice.name} ${metric.name}`, shown(metric.a), shown(metric.b), signed(metric.difference)]),
    );
    if (slices.length > 0) output.table(['slice', 'a', 'b', 'b - a'], slices);
    for (const { name, kind, a: left, b: right } of found.curves)
      output.field('curve', `${name} (${kind}): ${left?.length ?? 0} and ${right?.length ?? 0} points; their values with --json`);
    output.result(found);
    return EXIT.done;
  },
};

function shown(value: unknown): string {
  if (value === null || value === undefined) return '-';
  return typeof value === 'number' ? String(Number(value.toPrecision(6))) : typeof value === 'string' ? value : JSON.stringify(value);
}

function signed(value: number | null): string {
  if (value === null) return '-';
  return `${value > 0 ? '+' : ''}${Number(value.toPrecision(4))}`;
}
