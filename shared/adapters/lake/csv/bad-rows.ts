// Collects the rows that broke a rule: whole, with rule, file and physical line, in a local file that becomes the quarantine
// commit; and per rule the count and the first lines, which become the run's findings.
import { join } from 'node:path';
import type { RuleFinding } from '../../../contracts/tables.ts';
import { createLineFile, type LineFile } from './line-file.ts';

/** One row set aside. `raw` is the row as the file holds it, or the output row as JSON where no line of a file is behind it. */
export interface BadRow {
  layer: 'bronze' | 'silver' | 'gold';
  rule: string;
  file: string | null;
  line: number | null;
  reason: string;
  raw: string;
}

export class BadRows {
  private out: LineFile | null = null;
  private readonly found = new Map<string, RuleFinding>();
  /** Rows set aside so far. */
  rows = 0;

  constructor(
    private readonly dir: string,
    private readonly name: string,
  ) {}

  /** Where the rows are, one JSON object per line; null when there are none. */
  get file(): string | null {
    return this.out === null ? null : this.out.file;
  }

  get findings(): RuleFinding[] {
    return [...this.found.values()];
  }

  /** Counts a broken rule; a row may break several. */
  count(rule: string, action: RuleFinding['action'], line: number | null, rows = 1): void {
    const known = this.found.get(rule) ?? { rule, action, rows: 0, lines: [] };
    const lines = line !== null && known.lines.length < 10 && !known.lines.includes(line) ? [...known.lines, line] : known.lines;
    this.found.set(rule, { ...known, rows: known.rows + rows, lines });
  }

  /** Keeps one row. Call `flush` between batches. */
  async prepare(): Promise<void> {
    this.out ??= await createLineFile(join(this.dir, this.name));
  }

  add(row: BadRow): void {
    this.out!.append('', Buffer.from(JSON.stringify(row)));
    this.rows += 1;
  }

  async flush(): Promise<void> {
    await this.out?.flush();
  }

  async close(): Promise<void> {
    await this.out?.close();
    if (this.rows === 0) this.out = null;
  }
}
