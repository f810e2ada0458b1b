"""Charts that code has drawn: the picture, and the numbers in it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import cast

import msgspec

from daytona.models._base import SAME_NAMES, Model, Number, decoder, encode
from daytona.models.enums import ChartType

__all__ = [
    "BarChart",
    "BarData",
    "BoxAndWhiskerChart",
    "BoxAndWhiskerData",
    "Chart",
    "Chart2D",
    "ChartElement",
    "ChartType",
    "CompositeChart",
    "LineChart",
    "PieChart",
    "PieData",
    "PointChart",
    "PointData",
    "ScatterChart",
    "parse_chart",
    "parse_charts",
]


class _Picture(Model, frozen=True, rename=SAME_NAMES):
    """Something with a picture, which notebooks show."""

    type: ChartType | None = None
    title: str | None = None
    png: str | None = None
    x_label: str | None = None
    y_label: str | None = None

    def _repr_png_(self) -> bytes | None:
        return base64.b64decode(self.png) if self.png else None


class ChartElement(_Picture, frozen=True):
    """A part of a chart: a series, a bar, a slice, a box, or a whole chart within a composite one."""

    label: str | None = None
    group: str | None = None
    value: str | Number | None = None
    points: list[list[Number]] | None = None
    angle: Number | None = None
    radius: Number | None = None
    autopct: str | None = None
    min: Number | None = None
    first_quartile: Number | None = None
    median: Number | None = None
    third_quartile: Number | None = None
    max: Number | None = None
    outliers: list[Number] | None = None
    elements: list[ChartElement] = []


class PointData(ChartElement, frozen=True):
    """A line, or a cloud of points."""


class BarData(ChartElement, frozen=True):
    """A bar; the wire spells its value as text, which is a number here."""

    def __post_init__(self) -> None:
        if isinstance(self.value, str):
            msgspec.structs.force_setattr(self, "value", _number(self.value))


class PieData(ChartElement, frozen=True):
    """A slice."""


class BoxAndWhiskerData(ChartElement, frozen=True):
    """A box with its whiskers."""


class Chart(_Picture, frozen=True):
    """A chart; `png` is the picture as base64 text."""

    x_ticks: list[Number] | None = None
    y_ticks: list[Number] | None = None
    x_tick_labels: list[str] | None = None
    y_tick_labels: list[str] | None = None
    x_scale: str | None = None
    y_scale: str | None = None
    elements: Sequence[ChartElement] = []


class Chart2D(Chart, frozen=True):
    """A chart with axes."""


class PointChart(Chart2D, frozen=True):
    """A chart made of points."""

    elements: Sequence[PointData] = []


class LineChart(PointChart, frozen=True):
    """A chart of lines."""


class ScatterChart(PointChart, frozen=True):
    """A chart of points."""


class BarChart(Chart2D, frozen=True):
    """A chart of bars."""

    elements: Sequence[BarData] = []


class BoxAndWhiskerChart(Chart2D, frozen=True):
    """A chart of boxes."""

    elements: Sequence[BoxAndWhiskerData] = []


class PieChart(Chart, frozen=True):
    """A chart of slices."""

    elements: Sequence[PieData] = []


class CompositeChart(Chart, frozen=True):
    """Several charts in one picture."""


_CLASSES: dict[str | None, type[Chart]] = {
    ChartType.LINE: LineChart,
    ChartType.SCATTER: ScatterChart,
    ChartType.BAR: BarChart,
    ChartType.PIE: PieChart,
    ChartType.BOX_AND_WHISKER: BoxAndWhiskerChart,
    ChartType.COMPOSITE_CHART: CompositeChart,
}


def _number(text: str) -> str | Number:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def parse_charts(items: Iterable[object]) -> list[Chart]:
    """Return the charts among the decoded JSON values *items*; what is no chart at all is left out."""
    objects = (cast("dict[str, object]", item) for item in items if isinstance(item, dict))
    return [parse_chart(encode(item)) for item in objects]


def parse_chart(body: bytes) -> Chart:
    """Return the chart that the JSON *body* describes; an odd detail costs the numbers, never the picture."""
    picture = decoder(_Picture).decode(body)
    try:
        return decoder(_CLASSES.get(picture.type, Chart)).decode(body)
    except msgspec.ValidationError:
        return msgspec.convert(picture, Chart, from_attributes=True)
