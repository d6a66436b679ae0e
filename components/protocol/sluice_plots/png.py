"""PNG of an RGB picture (W3C Portable Network Graphics, 3rd edition): header, compressed lines, end. The same pixels give the same bytes."""

import struct
import zlib

SIGNATURE = b'\x89PNG\r\n\x1a\n'


def encode_png(width: int, height: int, pixels: bytes | bytearray) -> bytes:
    """`pixels` holds `height` lines of `width` × 3 bytes."""
    if len(pixels) != width * height * 3:
        raise ValueError(f'{len(pixels)} bytes are not {width} × {height} pixels of RGB')
    # Filter 0 before each line: flat areas compress well without any.
    lines = b''.join(b'\0' + bytes(pixels[start : start + width * 3]) for start in range(0, len(pixels), width * 3))
    header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return SIGNATURE + _chunk(b'IHDR', header) + _chunk(b'IDAT', zlib.compress(lines, 9)) + _chunk(b'IEND', b'')


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))
