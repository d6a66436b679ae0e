// Loaded before a program that does not know of us (`node --import`): ends it when its stdin closes, which the system does however its
// parent ended, so that no process is left behind a stack that was killed.
process.stdin.once('close', () => process.kill(process.pid, 'SIGTERM')).once('error', () => undefined);
process.stdin.resume();
