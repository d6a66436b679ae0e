// What values of a declared type look like, as small state machines over bytes. Each accepts only texts that the exact check
// (column-checks.ts) accepts too; a proper value that it does not accept only costs time.
import type { Source } from '../../../contracts/pipeline.ts';

type ColumnType = Source['columns'][string];

/** Deterministic: a state is a text, '' the beginning; null means that the value is not accepted here. */
export interface ValueMachine {
  step(state: string, byte: number): string | null;
  /** Whether a value may end in this state. An empty value is the caller's business. */
  accepts(state: string): boolean;
}

const isDigit = (byte: number) => byte >= 48 && byte <= 57;
const codes = (text: string) => [...text].map((letter) => letter.charCodeAt(0));

/** Any text of one line without quotes; separators and ends are the caller's business. */
const TEXT: ValueMachine = { step: (_, byte) => (byte === 0 ? null : 'x'), accepts: () => true };

/** At most 18 digits: those always fit 64 bits. */
const INTEGER: ValueMachine = {
  step: (state, byte) => {
    if (byte === 45) return state === '' ? '-' : null;
    const digits = state.replace('-', '').length + 1;
    return isDigit(byte) && digits <= 18 ? 'd'.repeat(digits) : null;
  },
  accepts: (state) => state.startsWith('d'),
};

/** What a digit does after each part of a number; parts that repeat are bounded, so that the value is surely finite. */
const AFTER_DIGIT: Record<string, (state: string) => string | null> = {
  '': () => 'i',
  '-': () => 'i',
  i: (state) => (state.length < 20 ? `${state}i` : null),
  '.': () => 'f',
  f: (state) => (state.length < 24 ? `${state}f` : null),
  e: () => 'n',
  '±': () => 'n',
  n: (state) => (state === 'n' ? 'nn' : null),
};

/** `-12`, `1.5`, `2e-3`. States: sign, `i…` digits, `.`, `f…` fraction, `e`, sign of the exponent, `n…` its digits. */
const NUMBER: ValueMachine = {
  step: (state, byte) => {
    const part = state.slice(0, 1);
    if (isDigit(byte)) return AFTER_DIGIT[part]!(state);
    if (byte === 45 && part === '') return '-';
    if (byte === 46 && part === 'i') return '.';
    if ((byte === 101 || byte === 69) && (part === 'i' || part === 'f')) return 'e';
    return (byte === 45 || byte === 43) && part === 'e' ? '±' : null;
  },
  accepts: (state) => /^[ifn]/.test(state),
};

const BOOLEAN: ValueMachine = {
  step: (state, byte) => {
    const next = state + String.fromCharCode(byte | 0x20);
    return (byte >= 65 && byte <= 90) || byte >= 97 ? (['true', 'false'].some((word) => word.startsWith(next)) ? next : null) : null;
  },
  accepts: (state) => state === 'true' || state === 'false',
};

/** A place in a written time: a number of fixed width, or a choice of letters; `end`: the value may stop here. */
type Place = { number: 'Y' | 'm' | 'd' | 'H' | 'M' | 'S' | 'z'; then: number } | { letters: Record<number, number>; end?: boolean };

const at = (text: string, then: number): Record<number, number> => Object.fromEntries(codes(text).map((code) => [code, then]));
const DIGITS = '0123456789';

const DATE: Place[] = [
  { number: 'Y', then: 1 },
  { letters: at('-', 2) },
  { number: 'm', then: 3 },
  { letters: at('-', 4) },
  { number: 'd', then: 5 },
  { letters: {}, end: true },
];

/** ISO 8601 with seconds, up to six digits of a fraction, and a zone, each of which may be missing. */
const ISO: Place[] = [
  ...DATE.slice(0, 5),
  { letters: { ...at('T ', 6) } },
  { number: 'H', then: 7 },
  { letters: at(':', 8) },
  { number: 'M', then: 9 },
  // DuckDB reads a zone only behind seconds.
  { letters: at(':', 10), end: true },
  { number: 'S', then: 11 },
  { letters: { ...at('.', 12), ...at('Z', 19), ...at('+-', 20) }, end: true },
  { letters: at(DIGITS, 13) },
  ...[14, 15, 16, 17, 18].map((then) => ({ letters: { ...at(DIGITS, then), ...at('Z', 19), ...at('+-', 20) }, end: true })),
  { letters: { ...at('Z', 19), ...at('+-', 20) }, end: true },
  { letters: {}, end: true },
  { number: 'z', then: 21 },
  { letters: at(':', 22), end: true },
  { number: 'M', then: 19 },
];

/** Places of a strptime format of the plain directives; null for one with others, which only the exact check understands. */
function placesOf(format: string): Place[] | null {
  const places: Place[] = [];
  for (let n = 0; n < format.length; n += 1) {
    const then = places.length + 1;
    const letter = format[n]!;
    if (letter !== '%') {
      if (!/[-/:. TZ_,]/.test(letter)) return null;
      places.push({ letters: at(letter, then) });
      continue;
    }
    n += 1;
    const directive = format[n] ?? '';
    if (!/[YmdHMS]/.test(directive) || format.indexOf(`%${directive}`) !== n - 1) return null;
    places.push({ number: directive as 'Y', then });
  }
  const whole = ['%Y', '%m', '%d'].every((directive) => format.includes(directive)) && format.trim() === format;
  return whole ? [...places, { letters: {}, end: true }] : null;
}

const LIMITS = { m: [1, 12], d: [1, 31], H: [0, 23], M: [0, 59], S: [0, 59], z: [0, 12] } as const;

/** What must be known of a date until it is whole: whether the year leaps, how long the month is, how late the day. */
interface Known {
  Y: '' | 'leap' | 'plain';
  m: '' | '29' | '30' | '31';
  d: '' | '28' | '29' | '30' | '31';
}

/** null when no such day exists; what is known is dropped once the date is whole, which keeps the states few. */
function consistent(known: Known): Known | null {
  const { Y, m, d } = known;
  if (m !== '' && d !== '' && Number(d) > Number(m)) return null;
  if (m === '29' && d === '29' && Y === 'plain') return null;
  return Y !== '' && m !== '' && d !== '' ? { Y: '', m: '', d: '' } : known;
}

const monthLength = (month: number): Known['m'] => (month === 2 ? '29' : [4, 6, 9, 11].includes(month) ? '30' : '31');

/** The digits of a year so far, cut to what decides whether it leaps; '!' and a word when it is whole. Years before 0100 are left out. */
function yearStep(partial: string, digit: number): string | null {
  switch (partial.length) {
    case 0:
      return String(digit);
    case 1:
      if (partial === '0' && digit === 0) return null;
      return (Number(partial) * 10 + digit) % 4 === 0 ? 'c4' : 'c_';
    case 2:
      return `${partial}${digit === 0 ? '0' : digit % 2 === 0 ? '2' : '1'}`;
    default: {
      const lastTwo = Number(partial[2]) * 10 + digit;
      const leaps = partial[2] === '0' && digit === 0 ? partial.startsWith('c4') : lastTwo % 4 === 0;
      return leaps ? '!leap' : '!plain';
    }
  }
}

function timeMachine(places: readonly Place[]): ValueMachine {
  const read = (state: string) => {
    const [index = '0', partial = '', Y = '', m = '', d = ''] = state === '' ? [] : state.split('|');
    return { index: Number(index), partial, known: { Y, m, d } as Known };
  };
  const write = (index: number, partial: string, known: Known) => [index, partial, known.Y, known.m, known.d].join('|');
  return {
    step(state, byte) {
      const { index, partial, known } = read(state);
      const place = places[index]!;
      if ('letters' in place) {
        const then = place.letters[byte];
        return then === undefined ? null : write(then, '', known);
      }
      if (!isDigit(byte)) return null;
      const digit = byte - 48;
      if (place.number === 'Y') {
        const next = yearStep(partial, digit);
        if (next === null || !next.startsWith('!')) return next === null ? null : write(index, next, known);
        return whole(place.then, { ...known, Y: next.slice(1) as Known['Y'] });
      }
      if (partial === '') return write(index, String(digit), known);
      const value = Number(partial) * 10 + digit;
      const [least, most] = LIMITS[place.number];
      if (value < least || value > most) return null;
      if (place.number === 'm') return whole(place.then, { ...known, m: monthLength(value) });
      if (place.number === 'd') return whole(place.then, { ...known, d: value <= 28 ? '28' : (String(value) as Known['d']) });
      return write(place.then, '', known);
    },
    accepts(state) {
      if (state === '') return false;
      const place = places[read(state).index]!;
      return 'letters' in place && place.end === true;
    },
  };

  function whole(then: number, known: Known): string | null {
    const kept = consistent(known);
    return kept === null ? null : write(then, '', kept);
  }
}

/** The machine of a type; null where only the exact check can tell. */
export function valueMachine(type: ColumnType, timestampFormat: string | undefined): ValueMachine | null {
  switch (type) {
    case 'string':
      return TEXT;
    case 'integer':
      return INTEGER;
    case 'number':
      return NUMBER;
    case 'boolean':
      return BOOLEAN;
    case 'date':
      return timeMachine(DATE);
    case 'timestamp': {
      const places = timestampFormat === undefined ? ISO : placesOf(timestampFormat);
      return places === null ? null : timeMachine(places);
    }
  }
}
