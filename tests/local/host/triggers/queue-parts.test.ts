// Parts of the queue trigger: the pause between looks, and the record of messages in work.
import { appendFileSync, existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBackOff } from '../../../../local/host/triggers/queue/back-off.ts';
import { createFileInFlight } from '../../../../local/host/triggers/queue/in-flight.ts';
import { decodeMessage, encodeMessage } from '../../../../local/host/triggers/queue/message.ts';

describe('the back-off', () => {
  it('begins at 100 ms, never shrinks without a message, and never exceeds its maximum', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 60_000 }),
        fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 20, maxLength: 40 }),
        (most, spread) => {
          let index = 0;
          const backOff = createBackOff(most, () => spread[(index += 1) % spread.length] ?? 0);
          const pauses = spread.map(() => backOff.next());
          expect(pauses[0]).toBe(100);
          for (const [position, pause] of pauses.entries()) {
            expect(pause).toBeLessThanOrEqual(most);
            expect(pause).toBeGreaterThanOrEqual(Math.min(most, pauses[position - 1] ?? 0));
          }
          expect(pauses.at(-1)).toBe(most);
          backOff.reset();
          expect(backOff.next()).toBe(100);
        },
      ),
    );
  });
});

describe('the record of messages in work', () => {
  const message = (id: string, popReceipt = `receipt-${id}`) => ({ connection: 'Lake', queue: 'inbox', id, popReceipt });
  const open = (folder: string) =>
    createFileInFlight(folder, (error) => {
      throw error;
    });

  it('gives back exactly what was begun and not ended, with the last receipt', () => {
    const folder = mkdtempSync(join(tmpdir(), 'in-flight-'));
    const first = open(folder);
    for (const id of ['a', 'b', 'c']) first.begin(message(id));
    first.end('b');
    first.renew(message('c', 'renewed'));
    appendFileSync(join(folder, 'queue-in-flight.ndjson'), '{"end":"a');

    const second = open(folder);
    expect(second.takeLeftOver('other', 'Lake')).toEqual([]);
    expect(second.takeLeftOver('inbox', undefined)).toEqual([]);
    expect(second.takeLeftOver('inbox', 'Lake')).toEqual([message('a'), message('c', 'renewed')]);
    expect(second.takeLeftOver('inbox', 'Lake')).toEqual([]);
    second.end('a');
    second.end('c');
    expect(open(folder).takeLeftOver('inbox', 'Lake')).toEqual([]);
    second.close();
    expect(existsSync(join(folder, 'queue-in-flight.ndjson'))).toBe(false);
  });

  it('keeps what it could not give back yet when it is written anew', () => {
    const folder = mkdtempSync(join(tmpdir(), 'in-flight-'));
    open(folder).begin(message('left'));
    const second = open(folder);
    for (let index = 0; index < 5000; index += 1) {
      second.begin(message(String(index)));
      second.end(String(index));
    }
    expect(readFileSync(join(folder, 'queue-in-flight.ndjson'), 'utf8').split('\n').length).toBeLessThan(2100);
    expect(open(folder).takeLeftOver('inbox', 'Lake')).toEqual([message('left')]);
  });

  it('reports a disk that refuses once and goes on', () => {
    const errors: string[] = [];
    const inFlight = createFileInFlight('/no/such/folder', (error) => errors.push(error.message));
    inFlight.begin(message('a'));
    inFlight.end('a');
    expect(errors).toEqual([expect.stringContaining('ENOENT')]);
  });
});

describe('message text', () => {
  it('comes back from the wire as it was sent, in both encodings', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        for (const encoding of ['base64', 'none'] as const) expect(decodeMessage(encodeMessage(text, encoding), encoding)).toBe(text);
      }),
    );
  });
});
