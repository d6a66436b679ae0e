"""Pictures of a curve or of points, as PNG, with the standard library alone: a training image needs no drawing package for one plot."""

from sluice_plots.chart import Line, Points, line_chart, scatter_chart
from sluice_plots.png import encode_png

__all__ = ['Line', 'Points', 'encode_png', 'line_chart', 'scatter_chart']
