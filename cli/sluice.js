#!/usr/bin/env node
// Entry of the command line: runs the TypeScript sources directly, so that a clean clone needs no build step for it.
import { register } from 'tsx/esm/api';

register();
// Whoever read along has gone (`sluice … | head`): that is their right and no error of ours.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error) => {
    if (error.code !== 'EPIPE') throw error;
  });
const { main } = await import('./main.ts');
process.exitCode = await main(process.argv.slice(2));
