// A row of data as JSON holds it: golden rows, and rows that an endpoint is asked about.
import * as z from 'zod';

/** A text in a row: a category, or a passage that a language model reads. */
const MAX_TEXT = 65_536;

/** One value. A category is its text, what is missing is null; a number is finite, because JSON has no NaN. */
export const Cell = z.union([z.number(), z.string().max(MAX_TEXT), z.boolean(), z.null()], {
  error: `expected a finite number, a text of at most ${MAX_TEXT} characters, true, false or null`,
});
export type Cell = z.infer<typeof Cell>;

/** Values in the order of the model's columns. */
export const Row = z.array(Cell).min(1).max(10_000);
export type Row = z.infer<typeof Row>;

/** A row to ask about: values in order, or by the names of the columns where the model knows them. */
export const InputRow = z.union([Row, z.record(z.string().min(1).max(200), Cell)], {
  error: 'expected a list of values, or an object of values by column; a value is a finite number, a text, true, false or null',
});
export type InputRow = z.infer<typeof InputRow>;
