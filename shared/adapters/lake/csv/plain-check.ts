// Judges a whole CSV file at the speed of one table look-up per byte: rows of the right shape, values of the declared types, no
// quoted line break, no empty line. Such a file is plain: DuckDB can read it as it is, and no row of it has to be looked at again.
// Whatever else a file holds is no error here; it is only left to the exact and slower way (scan.ts, bad-values.ts).
import type { Source } from '../../../contracts/pipeline.ts';
import { createPlainMachine, type PlainMachine } from './plain-machine.ts';
import { valueMachine, type ValueMachine } from './value-automata.ts';

const [LF, CR, QUOTE, COMMA] = [10, 13, 34, 44];
/** Above this the table would leave the processor's caches, and the check would be no quicker than the exact way. */
const MAX_CELLS = 1_000_000;
const REJECT = -1;

export interface PlainForm {
  /** Next state by `state + class`; states are multiples of the number of classes. 0: between rows; `dead`: not plain. */
  table: Uint16Array | Uint32Array;
  classes: Uint8Array;
  dead: number;
  /** States in which a row may end without a line end, at the end of the file. */
  ends: Set<number>;
}

/** A machine's states as numbers, with what each byte does. */
interface Numbered {
  steps: Int32Array[];
  accepts: boolean[];
}

function numbered(machine: ValueMachine): Numbered {
  const names = [''];
  const known = new Map([['', 0]]);
  const steps: Int32Array[] = [];
  for (let n = 0; n < names.length; n += 1) {
    const row = new Int32Array(256).fill(REJECT);
    for (let byte = 1; byte < 256; byte += 1) {
      if (byte === LF || byte === CR || byte === QUOTE) continue;
      const next = machine.step(names[n]!, byte);
      if (next === null) continue;
      if (!known.has(next)) known.set(next, names.push(next) - 1);
      row[byte] = known.get(next)!;
    }
    steps.push(row);
  }
  return { steps, accepts: names.map((name, n) => n > 0 && machine.accepts(name)) };
}

/** The automaton of a whole row, before bytes are gathered into classes. */
class RowAutomaton {
  readonly rows: Int32Array[] = [];
  readonly ends: number[] = [];

  add(): number {
    this.rows.push(new Int32Array(256).fill(REJECT));
    return this.rows.length - 1;
  }
}

/** `lineEnd`: what the header line ends with; the rows must end the same way. null when the columns cannot be judged this way. */
export function plainForm(source: Pick<Source, 'columns' | 'timestampFormat'>, lineEnd: '\n' | '\r\n'): PlainForm | null {
  const types = Object.values(source.columns);
  const machines = new Map<string, Numbered>();
  for (const type of new Set(types)) {
    const machine = valueMachine(type, source.timestampFormat);
    if (machine === null) return null;
    machines.set(type, numbered(machine));
  }
  const automaton = new RowAutomaton();
  const starts = types.map(() => automaton.add());
  types.forEach((type, column) => {
    const after = column + 1 < types.length ? { separator: COMMA, next: starts[column + 1]! } : { separator: null, next: starts[0]! };
    addColumn(automaton, machines.get(type)!, starts[column]!, { ...after, text: type === 'string', lineEnd, alone: types.length === 1 });
  });
  return gathered(automaton);
}

interface After {
  /** null: the last column; a line end follows. */
  separator: number | null;
  next: number;
  text: boolean;
  lineEnd: '\n' | '\r\n';
  /** The only column: an empty value would be an empty line. */
  alone: boolean;
}

/** Adds a column's states: the value as it is, and the value in quotes. */
function addColumn(automaton: RowAutomaton, machine: Numbered, start: number, after: After): void {
  const plain = machine.steps.map((_, n) => (n === 0 ? start : automaton.add()));
  const quoted = machine.steps.map(() => automaton.add());
  const closed = automaton.add();
  const end = endOf(automaton, after);
  machine.steps.forEach((row, n) => {
    for (let byte = 1; byte < 256; byte += 1) {
      if (row[byte] === REJECT) continue;
      if (byte !== COMMA) automaton.rows[plain[n]!]![byte] = plain[row[byte]!]!;
      automaton.rows[quoted[n]!]![byte] = quoted[row[byte]!]!;
    }
    // No value is fine for every type; in quotes too.
    if (machine.accepts[n]! || n === 0) {
      if (n > 0 || !after.alone) end(plain[n]!);
      automaton.rows[quoted[n]!]![QUOTE] = closed;
    }
  });
  automaton.rows[start]![QUOTE] = quoted[0]!;
  end(closed);
  if (after.text) automaton.rows[closed]![QUOTE] = quoted[1]!;
}

/** Lets a value end in a state: by the separator, or by the line end and the end of the file. */
function endOf(automaton: RowAutomaton, after: After): (state: number) => void {
  if (after.separator !== null) {
    const { separator } = after;
    return (state) => void (automaton.rows[state]![separator] = after.next);
  }
  const beforeLf = after.lineEnd === '\r\n' ? automaton.add() : null;
  if (beforeLf !== null) automaton.rows[beforeLf]![LF] = after.next;
  return (state) => {
    automaton.rows[state]![beforeLf === null ? LF : CR] = beforeLf ?? after.next;
    automaton.ends.push(state);
  };
}

/** Bytes that no state tells apart share a class. null when the table would be too large. */
function gathered({ rows, ends }: RowAutomaton): PlainForm | null {
  const columns = new Map<string, number>();
  const classes = new Uint8Array(256);
  const samples: number[] = [];
  for (let byte = 0; byte < 256; byte += 1) {
    const column = rows.map((row) => row[byte]).join();
    if (!columns.has(column)) columns.set(column, samples.push(byte) - 1);
    classes[byte] = columns.get(column)!;
  }
  const width = samples.length;
  if ((rows.length + 1) * width > MAX_CELLS) return null;
  const dead = rows.length * width;
  const table = (dead + width <= 65_536 ? new Uint16Array(dead + width) : new Uint32Array(dead + width)).fill(dead);
  rows.forEach((row, state) => {
    samples.forEach((byte, n) => {
      if (row[byte] !== REJECT) table[state * width + n] = row[byte]! * width;
    });
  });
  return { table, classes, dead, ends: new Set(ends.map((state) => state * width)) };
}

/** Bytes that are judged at one time; a row longer than this is not plain. */
const BLOCK = 1024 * 1024;

/** Runs over the rows of one file, after its header: bytes are put into `space`, then `took` judges them. */
export class PlainCheck {
  private readonly machine: PlainMachine;
  /** Bytes of an unfinished row at the start of the buffer. */
  private carried = 0;
  /** Rows so far. */
  rows = 0;

  constructor(private readonly form: PlainForm) {
    this.machine = createPlainMachine(form, 2 * BLOCK);
  }

  /** Where the next bytes go. */
  get space(): Buffer {
    return this.machine.buffer.subarray(this.carried, this.carried + BLOCK);
  }

  /** Whether all is still plain after these bytes, which stand at the start of `space`. */
  took(bytes: number): boolean {
    const { buffer } = this.machine;
    const filled = this.carried + bytes;
    const whole = bytes === 0 ? 0 : buffer.lastIndexOf(LF, filled - 1) + 1;
    if (whole > 0) {
      const rows = this.machine.rows(whole);
      if (rows === null) return false;
      this.rows += rows;
      buffer.copyWithin(0, whole, filled);
    }
    this.carried = filled - whole;
    return this.carried <= BLOCK;
  }

  /** Whether the file may end here; counts a last row without line end. */
  end(): boolean {
    if (this.carried === 0) return true;
    const { table, classes } = this.form;
    let state = 0;
    for (let at = 0; at < this.carried; at += 1) state = table[state + classes[this.machine.buffer[at]!]!]!;
    this.rows += 1;
    return this.form.ends.has(state);
  }
}
