"""An RGB picture to draw on: lines with soft edges, dots, rectangles, and text in one small font."""

import math
from collections.abc import Sequence

from sluice_plots.font import GLYPHS, HEIGHT, WIDTH

Colour = tuple[int, int, int]


class Canvas:
    """`width` × `height` white pixels; (0, 0) is the upper left corner."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.pixels = bytearray(b'\xff' * (width * height * 3))

    def blend(self, x: int, y: int, colour: Colour, cover: float) -> None:
        """Covers a part (0..1) of one pixel; outside the picture nothing happens."""
        if not (0 <= x < self.width and 0 <= y < self.height) or cover <= 0:
            return
        at = (y * self.width + x) * 3
        share = min(1.0, cover)
        for part in range(3):
            self.pixels[at + part] = round(self.pixels[at + part] * (1 - share) + colour[part] * share)

    def fill(self, left: int, top: int, right: int, bottom: int, colour: Colour) -> None:
        """The rectangle from (left, top) up to but without (right, bottom)."""
        for y in range(max(0, top), min(self.height, bottom)):
            for x in range(max(0, left), min(self.width, right)):
                self.blend(x, y, colour, 1.0)

    def polyline(self, points: Sequence[tuple[float, float]], colour: Colour, thickness: float = 1.0, dash: float = 0.0) -> None:
        """Straight pieces through the points; with `dash`, pieces of so many pixels and gaps as long."""
        cover: dict[tuple[int, int], float] = {}
        walked = 0.0
        for start, end in zip(points, points[1:]):
            length = math.dist(start, end)
            self._segment(start, end, thickness, dash, walked, cover)
            walked += length
        for (x, y), share in cover.items():
            self.blend(x, y, colour, share)

    def _segment(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        thickness: float,
        dash: float,
        walked: float,
        cover: dict[tuple[int, int], float],
    ) -> None:
        """Covers pixels by their distance from the piece; joints take the larger share, so that they do not darken."""
        length = math.dist(start, end)
        reach = thickness / 2 + 1
        steps = max(1, math.ceil(length * 2))
        for step in range(steps + 1):
            along = length * step / steps
            if dash and int((walked + along) / dash) % 2:
                continue
            x = start[0] + (end[0] - start[0]) * step / steps
            y = start[1] + (end[1] - start[1]) * step / steps
            for column in range(math.floor(x - reach), math.ceil(x + reach) + 1):
                for row in range(math.floor(y - reach), math.ceil(y + reach) + 1):
                    share = thickness / 2 + 0.5 - math.hypot(column - x, row - y)
                    if share > cover.get((column, row), 0.0):
                        cover[column, row] = share

    def dot(self, x: float, y: float, radius: float, colour: Colour, strength: float = 1.0) -> None:
        """A round dot; `strength` below 1 lets what is beneath shine through."""
        for column in range(math.floor(x - radius - 1), math.ceil(x + radius + 1) + 1):
            for row in range(math.floor(y - radius - 1), math.ceil(y + radius + 1) + 1):
                self.blend(column, row, colour, min(1.0, radius + 0.5 - math.hypot(column - x, row - y)) * strength)

    def text(self, x: int, y: int, text: str, colour: Colour, scale: int = 2, upwards: bool = False) -> None:
        """Text with its upper left corner at (x, y); `upwards` turns it by a quarter, (x, y) is then the lower left corner."""
        for place, character in enumerate(text):
            glyph = GLYPHS.get(character, GLYPHS['?'])
            for row, bits in enumerate(glyph):
                for column in range(WIDTH):
                    if not bits >> (WIDTH - 1 - column) & 1:
                        continue
                    along, down = (place * (WIDTH + 1) + column) * scale, row * scale
                    if upwards:
                        self.fill(x + down, y - along - scale, x + down + scale, y - along, colour)
                    else:
                        self.fill(x + along, y + down, x + along + scale, y + down + scale, colour)


def text_width(text: str, scale: int = 2) -> int:
    """Pixels that a text takes."""
    return max(0, len(text) * (WIDTH + 1) - 1) * scale


def text_height(scale: int = 2) -> int:
    """Pixels from the top of a capital to its foot."""
    return HEIGHT * scale
