// A stream that is counted and hashed while somebody else reads it, and that can be read to its end when they stop early.
import { createHash } from 'node:crypto';

export interface Measured {
  content: AsyncIterable<Uint8Array>;
  /** Reads what is left; gives digest and size of all of it. */
  end(): Promise<{ sha256: string; bytes: number }>;
}

export function measured(source: AsyncIterable<Uint8Array>): Measured {
  const hash = createHash('sha256');
  const iterator = source[Symbol.asyncIterator]();
  let bytes = 0;
  let done = false;
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    const step = await iterator.next();
    if (step.done) {
      done = true;
      return { done: true, value: undefined };
    }
    hash.update(step.value);
    bytes += step.value.byteLength;
    return step;
  };
  return {
    // Without `return`: whoever stops early leaves the rest for `end`.
    content: { [Symbol.asyncIterator]: () => ({ next }) },
    async end() {
      while (!done) await next();
      return { sha256: hash.digest('hex'), bytes };
    },
  };
}

/** All of a stream; the caller has bounded it. */
export async function allOf(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}
