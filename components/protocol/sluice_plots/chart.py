"""Charts with a frame, ticks, names on the axes and a legend: lines over a range, or points against the line of equality."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sluice_plots.canvas import Canvas, Colour, text_height, text_width
from sluice_plots.png import encode_png

WIDTH, HEIGHT = 640, 560
LEFT, RIGHT, TOP, BOTTOM = 96, 24, 56, 84
INK: Colour = (40, 40, 40)
GRID: Colour = (228, 228, 228)

Range = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """Points to join, in data units."""

    points: Sequence[tuple[float, float]]
    colour: Colour
    name: str
    dashed: bool = False


@dataclass(frozen=True)
class Points:
    """Points to mark, in data units."""

    points: Sequence[tuple[float, float]]
    colour: Colour
    name: str


def line_chart(*, title: str, x_label: str, y_label: str, x_range: Range, y_range: Range, lines: Sequence[Line]) -> bytes:
    """A PNG of the lines, later ones on top."""
    return _chart(title, x_label, y_label, x_range, y_range, lines, [])


def scatter_chart(
    *, title: str, x_label: str, y_label: str, x_range: Range, y_range: Range, points: Sequence[Points], lines: Sequence[Line] = ()
) -> bytes:
    """A PNG of the points, over the lines."""
    return _chart(title, x_label, y_label, x_range, y_range, lines, points)


def _chart(
    title: str, x_label: str, y_label: str, x_range: Range, y_range: Range, lines: Sequence[Line], points: Sequence[Points]
) -> bytes:
    canvas = Canvas(WIDTH, HEIGHT)
    frame = _Frame(x_range, y_range)
    _axes(canvas, frame, title, x_label, y_label)
    for line in lines:
        canvas.polyline([frame.place(*point) for point in line.points], line.colour, 2.4 if not line.dashed else 1.4, 7.0 if line.dashed else 0.0)
    for group in points:
        for point in group.points:
            canvas.dot(*frame.place(*point), 4.0, group.colour, 0.65)
    _legend(canvas, lines, points)
    return encode_png(WIDTH, HEIGHT, canvas.pixels)


@dataclass(frozen=True)
class _Frame:
    x_range: Range
    y_range: Range

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Data units → pixels."""
        across = (x - self.x_range[0]) / (self.x_range[1] - self.x_range[0])
        up = (y - self.y_range[0]) / (self.y_range[1] - self.y_range[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)


def ticks(low: float, high: float) -> list[float]:
    """Four to eleven round numbers within the range: steps of 1, 2 or 5 times a power of ten."""
    span = high - low
    power = 10.0 ** math.floor(math.log10(span))
    step = next(size * power for size in (0.1, 0.2, 0.5, 1.0) if span / (size * power) <= 10.001)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _axes(canvas: Canvas, frame: _Frame, title: str, x_label: str, y_label: str) -> None:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for value in ticks(*frame.x_range):
        x = round(frame.place(value, frame.y_range[0])[0])
        canvas.fill(x, TOP, x + 1, bottom, GRID)
        canvas.fill(x, bottom, x + 1, bottom + 6, INK)
        label = f'{value:.6g}'
        canvas.text(x - text_width(label) // 2, bottom + 12, label, INK)
    for value in ticks(*frame.y_range):
        y = round(frame.place(frame.x_range[0], value)[1])
        canvas.fill(LEFT, y, right, y + 1, GRID)
        canvas.fill(LEFT - 6, y, LEFT, y + 1, INK)
        label = f'{value:.6g}'
        canvas.text(LEFT - 12 - text_width(label), y - text_height() // 2, label, INK)
    for left, top, end, foot in (
        (LEFT, TOP, LEFT + 1, bottom + 1),
        (right, TOP, right + 1, bottom + 1),
        (LEFT, TOP, right + 1, TOP + 1),
        (LEFT, bottom, right + 1, bottom + 1),
    ):
        canvas.fill(left, top, end, foot, INK)
    canvas.text((WIDTH - text_width(title)) // 2, 20, title, INK)
    canvas.text(LEFT + (right - LEFT - text_width(x_label)) // 2, HEIGHT - 32, x_label, INK)
    canvas.text(14, TOP + (bottom - TOP + text_width(y_label)) // 2, y_label, INK, upwards=True)


def _legend(canvas: Canvas, lines: Sequence[Line], points: Sequence[Points]) -> None:
    """At the lower right, where neither a ROC curve nor a diagonal passes."""
    names = [entry.name for entry in (*lines, *points)]
    row = text_height() + 10
    width = max((text_width(name) for name in names), default=0) + 58
    left, top = WIDTH - RIGHT - width - 12, HEIGHT - BOTTOM - 12 - row * len(names)
    canvas.fill(left - 1, top - 7, left + width + 1, top + row * len(names) + 1, GRID)
    canvas.fill(left, top - 6, left + width, top + row * len(names), (255, 255, 255))
    for number, entry in enumerate((*lines, *points)):
        middle = top + number * row + text_height() // 2
        if isinstance(entry, Line):
            canvas.polyline([(left + 10, middle), (left + 40, middle)], entry.colour, 2.4, 7.0 if entry.dashed else 0.0)
        else:
            canvas.dot(left + 25, middle, 4.0, entry.colour, 0.8)
        canvas.text(left + 48, top + number * row, entry.name, INK)
