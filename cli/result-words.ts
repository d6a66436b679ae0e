// What a run came to, in words that are true of it: rows of the lake or files that stay on the premises, rows compared or a shape looked at.
import type { RunSummary } from '../shared/contracts/http-api.ts';
import { counted } from './counts.ts';

type Refined = NonNullable<RunSummary['refined']>;
type Parity = NonNullable<RunSummary['promoted']>['parity'];

/** `400 rows`, or `2 files on the premises` where the table holds a manifest. */
export function contentWords({ onPremises }: { onPremises?: Refined['onPremises'] }, rows: number): string {
  if (!onPremises) return `${rows} rows`;
  return `${counted(rows, 'file')} on the premises`;
}

/** `32 of 32 golden rows agree`, or why none was compared. */
export function parityWords({ rowsChecked, rowsAgreeing, shapeOnly }: Parity): string {
  return shapeOnly ?? `${rowsAgreeing} of ${rowsChecked} golden rows agree`;
}
