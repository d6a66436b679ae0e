// Writes what is made from the contracts: docs/openapi.json, docs/sluice.schema.json, docs/settings.md, and Python types of the run report.
// `npm run schema` writes; `npm run schema -- --check` exits with 1 when a checked-in file is not current.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import * as prettier from 'prettier';
import { z } from 'zod';
import { SETTINGS } from '../shared/config/config.ts';
import { openApiDocument } from '../shared/contracts/openapi.ts';
import { Pipeline } from '../shared/contracts/pipeline.ts';
import { pythonTypes } from './python-types.ts';

/** Text of each generated file by its path from the root. */
export async function generatedFiles(): Promise<Map<string, string>> {
  const files: [string, string][] = [
    ['docs/openapi.json', JSON.stringify(openApiDocument())],
    ['docs/sluice.schema.json', JSON.stringify(pipelineSchema())],
    ['docs/settings.md', settingsPage()],
    ['components/protocol/sluice_protocol/contract.py', pythonTypes()],
  ];
  const formatted = files.map(async ([path, text]): Promise<[string, string]> => [path, await formattedAs(path, text)]);
  return new Map(await Promise.all(formatted));
}

/** For editors: `# yaml-language-server: $schema=…`. Rules over several keys are in the parser only. */
function pipelineSchema(): object {
  return { ...z.toJSONSchema(Pipeline, { io: 'input', target: 'draft-2020-12' }), title: 'sluice.yaml (sluice/v1)' };
}

function settingsPage(): string {
  const rows = SETTINGS.map(
    ({ name, owner, secret, required, meaning }) =>
      `| \`${name}\` | ${owner} | ${required ? 'yes' : ''} | ${secret ? 'yes' : ''} | ${meaning} |`,
  );
  const intro = 'Every setting of the Functions app. This page is made by `npm run schema`; the source is `shared/config/config.ts`.';
  return [
    '# Settings',
    '',
    intro,
    '',
    '| Name | Owner | Required | Secret | Meaning |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

/** Tables of Markdown stay unaligned: one new setting is one changed line. */
async function formattedAs(path: string, text: string): Promise<string> {
  if (path.endsWith('.md') || path.endsWith('.py')) return text;
  const filepath = absolute(path);
  return prettier.format(text, { ...(await prettier.resolveConfig(filepath)), filepath });
}

function absolute(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}

async function main(check: boolean): Promise<number> {
  let stale = 0;
  for (const [path, text] of await generatedFiles()) {
    const present = await readFile(absolute(path), 'utf8').catch(() => null);
    if (present === text) continue;
    stale += 1;
    if (!check) await writeFile(absolute(path), text);
    console.log(check ? `${path} is not current: run npm run schema` : `wrote ${path}`);
  }
  if (stale === 0) console.log('every generated file is current');
  return check && stale > 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv.includes('--check'));
