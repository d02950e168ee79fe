"""Reports as self-contained pages: frame, tables, images, SVG charts; imports no other member, and Jinja2 late."""

from __future__ import annotations

from imgcls_report.axes import Axis, Scale, Tick, log_scale, number_scale, percentile_scale
from imgcls_report.chart import chart, histogram
from imgcls_report.escaping import visible
from imgcls_report.heat_map import heat_map
from imgcls_report.images import Card, cards, image_address
from imgcls_report.marks import Bars, Colour, Dot, Dots, Line, Shade
from imgcls_report.origin import machine_words, model_words, moment_words, version_words
from imgcls_report.page import drawing, page
from imgcls_report.parts import bullets, code, details, figures, lines, paragraph, section, side_by_side
from imgcls_report.tables import Cell, Column, Row, Tone, bar_chart, row_filter, table
from imgcls_report.time_axis import time_scale

__all__ = [
    "Axis",
    "Bars",
    "Card",
    "Cell",
    "Colour",
    "Column",
    "Dot",
    "Dots",
    "Line",
    "Row",
    "Scale",
    "Shade",
    "Tick",
    "Tone",
    "bar_chart",
    "bullets",
    "cards",
    "chart",
    "code",
    "details",
    "drawing",
    "figures",
    "heat_map",
    "histogram",
    "image_address",
    "lines",
    "log_scale",
    "machine_words",
    "model_words",
    "moment_words",
    "number_scale",
    "page",
    "paragraph",
    "percentile_scale",
    "row_filter",
    "section",
    "side_by_side",
    "table",
    "time_scale",
    "version_words",
    "visible",
]
