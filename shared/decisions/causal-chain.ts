// The way by which something came to be. What a pipeline made must not start the same pipeline again.
import type { CausalChain, Verdict } from '../contracts/events.ts';

const MAX_LINKS = 32;
const MAX_LINK = 200;

/** The chain with one more link, `<pipeline>@<run or commit>`. */
export function chained(chain: CausalChain, pipeline: string, ref: string): CausalChain {
  return [...chain, `${pipeline}@${ref}`.slice(0, MAX_LINK)].slice(-MAX_LINKS);
}

/** Links out of a text or a list from outside; whatever is no link is left out. */
export function parseChain(value: unknown): CausalChain {
  const parts: unknown[] = typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value : [];
  const links = parts.filter((part) => typeof part === 'string').map((part) => part.trim());
  return links.filter((link) => link !== '' && link.length <= MAX_LINK).slice(0, MAX_LINKS);
}

/** A verdict when the chain comes back to this pipeline, or is longer than any honest one. */
export function loopVerdict(chain: CausalChain, pipeline: string): Verdict | null {
  const back = chain.find((link) => link.startsWith(`${pipeline}@`));
  const evidence = { chain: chain.join(' → ').slice(0, 1200), pipeline };
  if (back !== undefined) {
    return {
      kind: 'loop',
      rule: 'chain-comes-back',
      reason: `What came of ${back} would start ${pipeline} again; break the circle, or replay the event once you are sure`,
      evidence,
    };
  }
  if (chain.length < MAX_LINKS) return null;
  return {
    kind: 'loop',
    rule: 'chain-too-long',
    reason: `The event is the end of a chain of ${chain.length} causes; no chain of pipelines is that long on purpose`,
    evidence,
  };
}
