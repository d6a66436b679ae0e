"""Pictures: they decode as PNG, the same input gives the same bytes, and what should be drawn is where it should be."""

import struct
import zlib

import pytest

from sluice_plots import Line, Points, encode_png, line_chart, scatter_chart
from sluice_plots.canvas import Canvas
from sluice_plots.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, ticks
from sluice_plots.font import GLYPHS

BLUE, RED = (0, 0, 255), (255, 0, 0)


def decode(png: bytes) -> tuple[int, int, bytes]:
    """Width, height and RGB of a PNG with filter 0 only; checks every chunk."""
    assert png[:8] == b'\x89PNG\r\n\x1a\n'
    at, kinds, packed, size = 8, [], b'', (0, 0)
    while at < len(png):
        (length,) = struct.unpack('>I', png[at : at + 4])
        kind, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack('>I', png[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + content)
        kinds.append(kind)
        if kind == b'IHDR':
            size = struct.unpack('>II', content[:8])
            assert content[8:] == bytes([8, 2, 0, 0, 0])
        packed += content if kind == b'IDAT' else b''
        at += 12 + length
    assert kinds == [b'IHDR', b'IDAT', b'IEND']
    lines, step = zlib.decompress(packed), size[0] * 3 + 1
    assert len(lines) == step * size[1]
    assert all(lines[row * step] == 0 for row in range(size[1]))
    return size[0], size[1], b''.join(lines[row * step + 1 : (row + 1) * step] for row in range(size[1]))


def pixel(pixels: bytes, x: float, y: float) -> tuple[int, int, int]:
    at = (round(y) * WIDTH + round(x)) * 3
    return pixels[at], pixels[at + 1], pixels[at + 2]


def chart(points: tuple[tuple[float, float], ...]) -> bytes:
    return line_chart(
        title='Title', x_label='across', y_label='up', x_range=(0, 1), y_range=(0, 1), lines=[Line(points, BLUE, 'line')]
    )


def test_a_line_is_drawn_where_its_points_are() -> None:
    width, height, pixels = decode(chart(((0, 0), (0.5, 0.75), (1, 0.75))))
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    place = lambda x, y: (LEFT + x * (right - LEFT), bottom - y * (bottom - TOP))  # noqa: E731
    assert (width, height) == (WIDTH, HEIGHT)
    assert pixel(pixels, *place(0.75, 0.75)) == BLUE
    assert pixel(pixels, *place(0.25, 0.375)) == BLUE
    assert pixel(pixels, *place(0.75, 0.63)) != BLUE
    assert pixel(pixels, LEFT, (TOP + bottom) / 2) == (40, 40, 40)  # the frame


def test_the_same_points_give_the_same_bytes_and_others_do_not() -> None:
    assert chart(((0, 0), (1, 1))) == chart(((0, 0), (1, 1)))
    assert chart(((0, 0), (1, 1))) != chart(((0, 0), (1, 0.9)))


def test_points_are_marked_and_those_outside_do_no_harm() -> None:
    points = Points([(5, 5), (1e6, -1e6)], RED, 'rows')
    _, _, pixels = decode(scatter_chart(title='', x_label='', y_label='', x_range=(0, 10), y_range=(0, 10), points=[points]))
    middle = (LEFT + (WIDTH - LEFT - RIGHT) / 2, TOP + (HEIGHT - TOP - BOTTOM) / 2)
    red, green, _ = pixel(pixels, *middle)
    assert red > 200 > green


@pytest.mark.parametrize(
    ('low', 'high', 'expected'),
    [(0, 1, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]), (25, 346, [50, 100, 150, 200, 250, 300]), (-3, 4, [-3, -2, -1, 0, 1, 2, 3, 4])],
)
def test_ticks_are_round_numbers_within_the_range(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_every_glyph_fits_its_cell_and_none_is_another() -> None:
    assert all(len(rows) == 9 and all(0 <= row < 32 for row in rows) for rows in GLYPHS.values())
    assert len(set(GLYPHS.values())) == len(GLYPHS)
    assert set('0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ .,-+:=()/%?_') == set(GLYPHS)


def test_text_can_stand_upright() -> None:
    across, upright = Canvas(20, 20), Canvas(20, 20)
    across.text(0, 0, 'L', (0, 0, 0), scale=1)
    upright.text(0, 20, 'L', (0, 0, 0), scale=1, upwards=True)
    dark = lambda canvas: {(at // 3 % 20, at // 60) for at in range(0, 1200, 3) if canvas.pixels[at] == 0}  # noqa: E731
    assert dark(upright) == {(y, 19 - x) for x, y in dark(across)} != set()


def test_pixels_that_do_not_fill_the_picture_are_refused() -> None:
    with pytest.raises(ValueError, match='2 × 2'):
        encode_png(2, 2, b'\0' * 11)
