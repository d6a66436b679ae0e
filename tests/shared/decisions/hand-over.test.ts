import { describe, expect, it } from 'vitest';
import { decideHandOver, UNPACKED_FACTOR } from '../../../shared/decisions/hand-over.ts';

const MB = 1_000_000;
const to = { aboveBytes: 100 * MB, to: 'data-factory' as const };
const size = (bytes: number, packedBytes = 0) => ({ files: 2, bytes, packedBytes });

describe('who refines', () => {
  it.each([
    ['up to the limit', size(100 * MB), 'embedded', '2 files of about 100 MB, at most 100 MB'],
    ['above it', size(100 * MB + 1), 'data-factory', '2 files of about 100 MB, above 100 MB'],
    [
      'packed files by what they become',
      size(20 * MB, 20 * MB),
      'data-factory',
      `2 files of about ${20 * UNPACKED_FACTOR} MB, above 100 MB`,
    ],
    ['small packed files', size(1.5 * MB, 0.1 * MB), 'embedded', '2 files of about 2.2 MB, at most 100 MB'],
  ])('%s', (_, dataset, engine, reason) => {
    expect(decideHandOver(dataset, to)).toEqual({ engine, reason });
  });

  it('stays here where nothing else is configured', () => {
    expect(decideHandOver(size(1e12), { aboveBytes: null, to: 'databricks' }).engine).toBe('embedded');
    expect(decideHandOver(size(1e12), { aboveBytes: 1, to: null }).engine).toBe('embedded');
  });
});
