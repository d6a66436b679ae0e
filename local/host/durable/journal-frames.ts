// The bytes of the journal: frames of length, checksum, header checksum and payload, after a magic word.
// A reader can tell a torn tail (the last write was cut) from damage further up (something after it is still whole).
import { crc32 } from 'node:zlib';

export const magic = Buffer.from('DLHJ0001', 'latin1');
const headerBytes = 12;
/** No frame is larger: a length beyond it is damage. */
const largestFrame = 1 << 30;

/** A frame around a payload. */
export function encodeFrame(payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(headerBytes + payload.length);
  frame.writeUInt32LE(payload.length, 0);
  frame.writeUInt32LE(crc32(payload), 4);
  frame.writeUInt32LE(crc32(frame.subarray(0, 8)), 8);
  payload.copy(frame, headerBytes);
  return frame;
}

/** The payload of the frame at `at` and where the next one starts; undefined when there is no whole frame. */
export function readFrame(data: Buffer, at: number): { payload: Buffer; payloadAt: number; next: number } | undefined {
  if (at + headerBytes > data.length) return undefined;
  if (crc32(data.subarray(at, at + 8)) !== data.readUInt32LE(at + 8)) return undefined;
  const length = data.readUInt32LE(at);
  const payloadAt = at + headerBytes;
  const next = payloadAt + length;
  if (length > largestFrame || next > data.length) return undefined;
  const payload = data.subarray(payloadAt, next);
  return crc32(payload) === data.readUInt32LE(at + 4) ? { payload, payloadAt, next } : undefined;
}

/** Where reading ended: `whole` = at the end of the file; otherwise the position of the first frame that is not whole. */
export interface Reading {
  whole: boolean;
  /** The good part of the file, in bytes. */
  good: number;
  /** Position of a whole frame after the bad one: the damage is not a torn tail. */
  laterFrameAt?: number;
}

/** Gives each payload to `take`, in order. */
export function readFrames(data: Buffer, take: (payload: Buffer, payloadAt: number) => void): Reading {
  if (data.length < magic.length || !data.subarray(0, magic.length).equals(magic)) {
    return findLater(data, 0, 1);
  }
  let at = magic.length;
  while (at < data.length) {
    const frame = readFrame(data, at);
    if (!frame) return findLater(data, at, at + 1);
    take(frame.payload, frame.payloadAt);
    at = frame.next;
  }
  return { whole: true, good: at };
}

function findLater(data: Buffer, good: number, from: number): Reading {
  for (let at = from; at + headerBytes <= data.length; at += 1) {
    // A run of zeros has the right checksum nowhere: crc32 of eight zero bytes is not zero.
    if (readFrame(data, at)) return { whole: false, good, laterFrameAt: at };
  }
  return { whole: false, good };
}
