// Where the data of a pipeline is, and what that forbids: rows that stay on the premises are read there and nowhere else.
import type { Source } from './source.ts';
import type { Table } from './table.ts';
import { isSiteInput, type Train } from './train.ts';

/** Backends that stand beside the data: pods of a site, with its volume. */
const BESIDE_THE_DATA = ['kubeflow'] as const;

type Say = (path: (string | number)[], problem: string) => void;

interface Residence {
  data: 'lake' | 'on-premises';
  sources: readonly Source[];
  train: Train;
  tables: Record<'silver' | 'gold', Table>;
  schedule?: { extract?: unknown } | undefined;
}

/** Says everything that does not go together with the place of the data. */
export function sayWhereDataIs(residence: Residence, say: Say): void {
  if (residence.data === 'lake') sayOfLake(residence.train, say);
  else sayOfPremises(residence, say);
}

function sayOfLake(train: Train, say: Say): void {
  if (train.releasable !== undefined) say(['train', 'releasable'], 'only with data: on-premises must rows be declared releasable');
  const names = new Set(train.steps?.map(({ name }) => name));
  train.steps?.forEach(({ inputs }, index) => {
    for (const [input, from] of Object.entries(inputs))
      if (isSiteInput(from) && !names.has(from))
        say(
          ['train', 'steps', index, 'inputs', input],
          `"${from}" is neither "gold" nor an earlier step; it is an input with data: on-premises`,
        );
  });
}

function sayOfPremises({ sources, train, tables, schedule }: Residence, say: Say): void {
  const here = BESIDE_THE_DATA.join(' or ');
  train.backend.forEach((backend, index) => {
    if (!isBeside(backend))
      say(['train', 'backend', index], `"${backend}" is not beside the data; with data: on-premises training runs on ${here}, at the site`);
  });
  train.steps?.forEach(({ name, inputs }, index) => {
    if (isSiteInput(name)) say(['train', 'steps', index, 'name'], `"${name}" is an input with data: on-premises; call the step otherwise`);
    for (const [input, from] of Object.entries(inputs))
      if (from === 'releasable' && train.releasable === undefined)
        say(['train', 'steps', index, 'inputs', input], 'train.releasable names no file with rows that may leave');
  });
  if (sources.length > 1) say(['sources'], 'with data: on-premises a pipeline has one source: the folder where its manifests land');
  if (sources[0]?.format === 'delta')
    say(['sources', 0, 'format'], 'a Delta table lies in the lake; with data: on-premises the files of the site are csv or parquet');
  for (const layer of ['silver', 'gold'] as const) sayOfTable(layer, tables[layer], say);
  if (schedule?.extract !== undefined)
    say(['schedule', 'extract'], 'an extraction brings rows into the lake; with data: on-premises they stay');
}

/** A row of these tables is a file: it is trained on or the dataset is not; nobody corrects a part of a manifest. */
function sayOfTable(layer: string, { columns = {}, expect }: Table, say: Say): void {
  const problem = 'a manifest is taken whole; with data: on-premises use fail or warn here, and csv-refine sets rows aside at the site';
  for (const [column, { onFail }] of Object.entries(columns))
    if (onFail === 'quarantine') say(['tables', layer, 'columns', column, 'onFail'], problem);
  expect.forEach(({ onFail }, index) => {
    if (onFail === 'quarantine') say(['tables', layer, 'expect', index, 'onFail'], problem);
  });
}

/** Whether a backend may train on data that stays on the premises. */
export function isBeside(backend: string): boolean {
  return (BESIDE_THE_DATA as readonly string[]).includes(backend);
}
