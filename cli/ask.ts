// A question that a person answers by typing; where nobody can type, the command says which option answers it.
import { createInterface } from 'node:readline/promises';
import { CommandError, EXIT } from './failure.ts';

/** Asks on stderr, so that stdout stays for the answer of the command. */
export async function ask(question: string, instead: string): Promise<string> {
  if (!process.stdin.isTTY) throw new CommandError(EXIT.usage, `Nobody can answer here: ${question}`, instead);
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await reader.question(`${question} `)).trim();
  } finally {
    reader.close();
  }
}
