// What benchmarks share: medians, ratios of things that were measured side by side, and numbers from the command line.

/** The value in the middle; of an even number the upper one. NaN of none. */
export const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** Two things that were done in turn in each round; drift of the machine hits both, so the ratio is taken round by round. */
export interface Compared {
  ours: number;
  bare: number;
  /** Median of ours / bare of each round. */
  ratio: number;
  /** Smallest and largest ratio of a round. */
  from: number;
  to: number;
}

/** Medians of both, and the median of the rounds' ratios. Both lists are one value a round, in order. */
export function compared(ours: readonly number[], bare: readonly number[]): Compared {
  if (ours.length === 0 || ours.length !== bare.length) throw new Error(`${ours.length} and ${bare.length} rounds cannot be compared`);
  const ratios = ours.map((value, round) => value / (bare[round] ?? Number.NaN));
  return { ours: median(ours), bare: median(bare), ratio: median(ratios), from: Math.min(...ratios), to: Math.max(...ratios) };
}

/** The whole number after `--name`, or the given one; anything else ends the benchmark with a sentence. `least` is 1, or 0 to leave a part out. */
export function numberFlag(argv: readonly string[], name: string, otherwise: number, least: 0 | 1 = 1): number {
  const at = argv.indexOf(`--${name}`);
  if (at < 0) return otherwise;
  const text = argv[at + 1] ?? '';
  if (!/^(0|[1-9][0-9]{0,8})$/.test(text) || Number(text) < least)
    throw new Error(`--${name} takes a whole number ${least === 0 ? 'from 0' : 'above 0'}, not "${text}"`);
  return Number(text);
}
