// Parameters and search spaces as people type them: NAME=VALUE, NAME=1,2,3, NAME=uniform:0:1, NAME=log:0.001:1.
import type { SearchSpace } from '../shared/contracts/training.ts';
import { CommandError, EXIT } from './failure.ts';

/** NAME, or STEP.NAME. */
const NAME = /^([a-z][a-z0-9-]*\.)?[A-Za-z][A-Za-z0-9_]*$/;

type Value = string | number | boolean | number[];

/** `alpha=0.1 steps=[1,2] kind=linear` → values by name. A list of numbers stands in brackets. */
export function parseParams(words: readonly string[]): Record<string, Value> {
  return once(
    words.map((word): [string, Value] => {
      const [name, text] = pair(word, '--set alpha=0.1');
      return [name, /^\[.*\]$/.test(text) ? numbers(text.slice(1, -1), word) : scalar(text)];
    }),
  );
}

/** What each name may be, by the word after the equals sign. */
export function parseSpace(words: readonly string[]): SearchSpace {
  return once(
    words.map((word): [string, SearchSpace[string]] => {
      const [name, text] = pair(word, '--space alpha=0.01,0.03,0.1 or --space alpha=log:0.001:1');
      const [, kind, low, high] = /^(uniform|log):([^:]+):([^:]+)$/.exec(text) ?? [];
      // A choice may be any text; one that looks like a range and is none would be a search among one value.
      if (kind === undefined && /^[a-z]+:[^:,]+:[^:,]+$/i.test(text)) throw wrong(word, 'ranges are uniform:LOW:HIGH and log:LOW:HIGH');
      if (kind === undefined) return [name, { choice: text.split(',').map((one) => scalar(one.trim())) }];
      const [from = 0, to = 0] = numbers(`${low ?? ''},${high ?? ''}`, word);
      if (!(from < to)) throw wrong(word, 'its lower bound is not below its upper bound');
      if (kind === 'log' && from <= 0) throw wrong(word, 'a range by powers begins above zero');
      return [name, kind === 'log' ? { logUniform: [from, to] } : { uniform: [from, to] }];
    }),
  );
}

/** Each name once: which of two values is meant cannot be known. */
function once<Of>(pairs: readonly [string, Of][]): Record<string, Of> {
  const names = pairs.map(([name]) => name);
  const twice = names.find((name, n) => names.indexOf(name) !== n);
  if (twice !== undefined) throw new CommandError(EXIT.usage, `"${twice}" is given more than once`, 'one value for each parameter');
  return Object.fromEntries(pairs);
}

function pair(word: string, example: string): [string, string] {
  const at = word.indexOf('=');
  if (at < 1 || at === word.length - 1) throw wrong(word, `expected NAME=VALUE, for example ${example}`);
  if (!NAME.test(word.slice(0, at))) throw wrong(word, `"${word.slice(0, at)}" cannot be the name of a parameter`);
  return [word.slice(0, at), word.slice(at + 1)];
}

function scalar(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  return text !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}

function numbers(text: string, word: string): number[] {
  const values = text.split(',').map((one) => Number(one.trim()));
  if (text.trim() === '' || !values.every(Number.isFinite)) throw wrong(word, 'it holds something that is no number');
  return values;
}

function wrong(word: string, why: string): CommandError {
  return new CommandError(EXIT.usage, `"${word}": ${why}`);
}
