#!/usr/bin/env node
// Entry of the command line: runs the TypeScript sources directly, so that a clean clone needs no build step for it.
import { register } from 'tsx/esm/api';

register();
const { main } = await import('./main.ts');
process.exitCode = await main(process.argv.slice(2));
