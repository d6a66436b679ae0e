import { caseIdOf } from '../../shared/contracts/quarantine.ts';
import type { Command } from '../command.ts';
import { textOption } from '../command.ts';
import { EXIT } from '../failure.ts';
import { follow, newestAttempts } from '../follow.ts';
import { landFile } from '../landing.ts';
import { narrator } from '../story-lines.ts';

/** Long enough for a real training; a script that wants less stops by itself. */
const WATCH_MS = 24 * 3600 * 1000;

/** Lands a file in a pipeline's folder; with --watch follows it to the endpoint. */
export const drop: Command = {
  name: 'drop',
  args: ['<file>'],
  help: 'Land a file in the folder of a pipeline',
  options: [
    { flags: '--pipeline <name>', help: 'pipeline whose landing folder takes the file', required: true },
    { flags: '--as <name>', help: 'name in the lake; the file’s own without it' },
    { flags: '--watch', help: 'follow it until its runs have ended' },
  ],
  async run(context, [file = ''], options) {
    const { output } = context;
    const api = await context.api();
    const landed = await landFile(context, api, file, textOption(options, 'pipeline') ?? '', textOption(options, 'as'));
    output.line(`Landed ${output.paint.bold(landed.path)} (${landed.bytes} bytes)`);
    if (!options['watch']) {
      output.line(`  follow it with: sluice why ${landed.path}`);
      output.result(landed);
      return EXIT.done;
    }
    const { entry, runs } = await follow(api, landed.path, landed.eTag, narrator(output), WATCH_MS);
    for (const { pipeline, key, refined } of runs)
      if (refined && refined.quarantinedRows > 0) output.line(`  what was kept aside: sluice quarantine show ${caseIdOf(pipeline, key)}`);
    output.result({ ...landed, verdict: entry.verdict, runs });
    // The same content again is well only when what became of it is well.
    const isTaken = entry.verdict.kind === 'accepted' || entry.verdict.kind === 'duplicate';
    return isTaken && newestAttempts(runs).every((run) => run.status === 'succeeded') ? EXIT.done : EXIT.runFailed;
  },
};
