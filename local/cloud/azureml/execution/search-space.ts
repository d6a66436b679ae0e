// The search space of a sweep as the wire has it: `["uniform",[0.1,1]]`, `["choice",[["a","b"]]]` (facts/azure.md §1.4).
// The distributions and their arguments are those that Azure's own SDK writes; `loguniform` takes logarithms.
export type Value = string | number | boolean;

/** A parameter of the search. */
export interface Dimension {
  readonly name: string;
  readonly kind: string;
  /** Numbers of the distribution, or the choices. */
  readonly args: readonly Value[];
}

/** The search space is not one; `target` is the parameter. */
export class SearchSpaceError extends Error {
  override readonly name = 'SearchSpaceError';
  constructor(
    message: string,
    readonly target: string,
  ) {
    super(message);
  }
}

/** Number of arguments by distribution. */
const NUMBERS: Readonly<Record<string, number>> = {
  uniform: 2,
  loguniform: 2,
  quniform: 3,
  qloguniform: 3,
  normal: 2,
  lognormal: 2,
  qnormal: 3,
  qlognormal: 3,
  randint: 1,
};

/** Reads the space. Throws `SearchSpaceError`. */
export function readSearchSpace(space: Readonly<Record<string, unknown>>): Dimension[] {
  return Object.entries(space).map(([name, entry]) => {
    if (!Array.isArray(entry) || entry.length !== 2 || typeof entry[0] !== 'string' || !Array.isArray(entry[1]))
      throw wrong(name, 'Expected [distribution, [arguments]].');
    const [kind, args] = entry as [string, unknown[]];
    return { name, kind, args: kind === 'choice' ? choices(name, args) : numbers(name, kind, args) };
  });
}

const wrong = (name: string, message: string): SearchSpaceError =>
  new SearchSpaceError(`${message} Path 'searchSpace.${name}'.`, `searchSpace.${name}`);

function choices(name: string, args: readonly unknown[]): Value[] {
  const [values] = args;
  if (args.length !== 1 || !Array.isArray(values) || values.length === 0 || !values.every(isValue))
    throw wrong(name, 'Expected ["choice",[[value, …]]].');
  return values;
}

function numbers(name: string, kind: string, args: unknown[]): number[] {
  const count = Object.hasOwn(NUMBERS, kind) ? NUMBERS[kind] : undefined;
  if (count === undefined) throw wrong(name, `The distribution '${kind.slice(0, 40)}' is not known.`);
  if (args.length !== count || !args.every((arg): arg is number => typeof arg === 'number' && Number.isFinite(arg)))
    throw wrong(name, `The distribution '${kind}' takes ${count} numbers.`);
  const [low = 0, high = 0] = args;
  if (kind.includes('uniform') && low > high) throw wrong(name, `The lower bound ${low} is above the upper bound ${high}.`);
  if (kind === 'randint' && (low < 1 || !Number.isInteger(low))) throw wrong(name, 'The upper bound of randint is a whole number from 1.');
  return args;
}

/** All combinations in order, the last parameter changing fastest. Throws where a parameter is not a choice. */
export function gridTrials(space: readonly Dimension[]): Record<string, Value>[] {
  const other = space.find(({ kind }) => kind !== 'choice');
  if (other)
    throw new SearchSpaceError(`Grid sampling takes choices only, and '${other.name}' is ${other.kind}.`, `searchSpace.${other.name}`);
  return space.reduce<Record<string, Value>[]>(
    (trials, { name, args }) => trials.flatMap((trial) => args.map((value) => ({ ...trial, [name]: value }))),
    [{}],
  );
}

/** Random trials without end; the same seed gives the same. */
export function* randomTrials(space: readonly Dimension[], seed: number): Generator<Record<string, Value>> {
  const random = generator(seed);
  for (;;) yield Object.fromEntries(space.map((dimension) => [dimension.name, sample(dimension, random)]));
}

/** A value in a command line. */
export const valueText = (value: Value): string => (typeof value === 'string' ? value : JSON.stringify(value));

const isValue = (value: unknown): value is Value =>
  typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value));

function sample({ kind, args }: Dimension, random: () => number): Value {
  if (kind === 'choice') return args[Math.floor(random() * args.length)] ?? '';
  const [a = 0, b = 0, q] = args as number[];
  const plain = kind.startsWith('q') ? kind.slice(1) : kind;
  const drawn = draw(plain, a, b, random);
  return q === undefined ? drawn : Math.round(drawn / q) * q;
}

function draw(kind: string, a: number, b: number, random: () => number): number {
  switch (kind) {
    case 'uniform':
      return a + random() * (b - a);
    case 'loguniform':
      return Math.exp(a + random() * (b - a));
    case 'normal':
      return a + b * gauss(random);
    case 'lognormal':
      return Math.exp(a + b * gauss(random));
    default:
      return Math.floor(random() * a); // randint
  }
}

/** Box-Muller. */
const gauss = (random: () => number): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** Mulberry32: small, and the same on every machine. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
