"""Runs code that draws, and hands over every figure it shows: as a picture, and as the numbers in it.

This text is run by the sandbox's own Python, of any version from 3.8 on and with any matplotlib; nothing of ours can be
imported there. matplotlib is not loaded before the code asks for it, and is known here by its objects only.

`CODE` and `CHARTS` are open files that the agent passes: the code to run, and where the charts go, one JSON object a
line. Because they do not go through the output, nothing that the code prints can get mixed up with them.
"""

# ruff: noqa: B905 - zip has no "strict" before Python 3.10

from __future__ import annotations

import base64
import contextlib
import functools
import importlib.abc
import importlib.machinery
import io
import json
import linecache
import math
import os
import sys
import traceback
import warnings
import weakref
from typing import Any

CODE: int = globals()["CODE"]
CHARTS: int = globals()["CHARTS"]

NAME = "<target_code>"
COLORBAR = "<colorbar>"
SECONDS_A_DAY = 86400.0

boxes: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
"""By the line that shows a box's median: the numbers that the box was drawn from."""
shares: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
"""By wedge: the text that shows its share."""


# -- Running the code -------------------------------------------------------------------------------------------------


def main() -> None:
    """Run the code as the main module, the way the interpreter would."""
    with open(CODE, "rb") as file:
        source = file.read().decode("utf-8", "surrogateescape")
    os.environ.setdefault("MPLBACKEND", "Agg")
    sys.meta_path.insert(0, PyplotFinder())
    lines = source.splitlines(keepends=True)
    linecache.cache[NAME] = (len(source), None, lines, NAME)
    code = None
    try:
        code = compile(source, NAME, "exec", dont_inherit=True)
        exec(code, sys.modules["__main__"].__dict__)  # noqa: S102 - running it is the purpose
    except SystemExit:
        raise
    except BaseException as error:  # as the interpreter itself does
        report(error, code)
        sys.exit(1)


def report(error: BaseException, code: Any) -> None:
    """Show an exception that nothing has caught, without the frames of this file."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code is not code:
        trace = trace.tb_next
    if sys.excepthook is sys.__excepthook__:
        traceback.print_exception(type(error), error, trace)
    else:
        sys.excepthook(type(error), error, trace)


class PyplotFinder(importlib.abc.MetaPathFinder):
    """Adds our part to matplotlib.pyplot when, and if, the code imports it."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != "matplotlib.pyplot":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            loader.exec_module = functools.partial(execute_and_hook, loader.exec_module)
        return spec


def execute_and_hook(execute: Any, module: Any) -> None:
    execute(module)
    module.show = showing(module, module.show)
    module.Axes.bxp = noting_boxes(module.Axes.bxp)
    module.Axes.pie = noting_shares(module.Axes.pie)


def showing(pyplot: Any, show: Any) -> Any:
    """Return a `show` that hands over every open figure first, and closes them after."""

    @functools.wraps(show)
    def hand_over(*args: Any, **kwargs: Any) -> Any:
        for number in pyplot.get_fignums():
            write(chart_of(pyplot.figure(number)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "cannot be shown": it has been
            result = show(*args, **kwargs)
        pyplot.close("all")
        return result

    return hand_over


def noting_boxes(draw: Any) -> Any:
    """Return a `bxp` that keeps the statistics it is given: they cannot be read back from the lines."""

    @functools.wraps(draw)
    def bxp(axes: Any, bxpstats: Any, *args: Any, **kwargs: Any) -> Any:
        artists = draw(axes, bxpstats, *args, **kwargs)
        boxes.update(zip(artists["medians"], bxpstats))
        return artists

    return bxp


def noting_shares(draw: Any) -> Any:
    """Return a `pie` that keeps which text belongs to which wedge."""

    @functools.wraps(draw)
    def pie(axes: Any, *args: Any, **kwargs: Any) -> Any:
        made = draw(axes, *args, **kwargs)
        wedges, _, *texts = made
        for wedge, text in zip(wedges, texts[0] if texts else []):
            shares[wedge] = text
        return made

    return pie


def write(chart: dict[str, Any]) -> None:
    data = json.dumps(chart).encode() + b"\n"
    while data:
        data = data[os.write(CHARTS, data) :]


# -- From a figure to a chart -----------------------------------------------------------------------------------------


def chart_of(figure: Any) -> dict[str, Any]:
    """Return the picture and what can be read from it; an unreadable figure is still a picture."""
    png = picture(figure)
    chart: dict[str, Any] = {"type": "unknown", "title": None, "elements": []}
    # Whatever an unforeseen figure does in there, the code that drew it is not to blame.
    with contextlib.suppress(Exception):
        chart = describe_figure(figure)
    return {**chart, "png": png}


def picture(figure: Any) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, bbox_inches="tight")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def describe_figure(figure: Any) -> dict[str, Any]:
    parts = [axes for axes in figure.axes if axes.get_label() != COLORBAR and axes.get_visible()]
    if len(parts) == 1:
        return describe_axes(parts[0])
    title = next((text.get_text() for text in figure.texts), None)
    return {
        "type": "composite_chart" if parts else "unknown",
        "title": title,
        "elements": [describe_axes(axes) for axes in parts],
    }


def describe_axes(axes: Any) -> dict[str, Any]:
    kind, elements = read_elements(axes)
    chart: dict[str, Any] = {"type": kind, "title": axes.get_title() or None, "elements": elements}
    for name in ("x", "y"):
        axis = getattr(axes, name + "axis")
        chart[name + "_label"] = axis.get_label_text() or None
        chart[name + "_scale"] = scale_of(axis)
        if kind != "pie":
            chart[name + "_ticks"], chart[name + "_tick_labels"] = ticks_of(axis)
    return chart


def read_elements(axes: Any) -> tuple[str, list[dict[str, Any]]]:
    """Return what kind of chart this is, and its parts."""
    wedges = [patch for patch in axes.patches if is_a(patch, "Wedge")]
    if wedges:
        return "pie", [read_wedge(wedge) for wedge in wedges]
    medians = [line for line in axes.lines if line in boxes]
    if medians:
        return "box_and_whisker", [read_box(boxes[line]) for line in medians]
    bars = [container for container in axes.containers if is_a(container, "BarContainer")]
    if bars:
        return "bar", [bar for container in bars for bar in read_bars(axes, container)]
    clouds = [cloud for cloud in axes.collections if is_a(cloud, "PathCollection")]
    if clouds:
        return "scatter", [read_points(axes, cloud, *plain(cloud.get_offsets()).T) for cloud in clouds]
    lines = [line for line in axes.lines if line.get_transform().contains_branch(axes.transData)]
    if lines:
        return "line", [read_points(axes, line, *map(plain, line.get_data(orig=False))) for line in lines]
    return "unknown", []


def is_a(artist: Any, name: str) -> bool:
    """Return whether an object is of a class of matplotlib, without importing that."""
    return any(
        kind.__name__ == name and kind.__module__.startswith("matplotlib.") for kind in type(artist).__mro__
    )


def read_points(axes: Any, artist: Any, xs: Any, ys: Any) -> dict[str, Any]:
    pairs = [[number(axes.xaxis, x), number(axes.yaxis, y)] for x, y in zip(xs, ys)]
    return {"label": label_of(artist), "points": [pair for pair in pairs if None not in pair]}


def plain(values: Any) -> Any:
    """Return values without a mask: what is hidden is no number."""
    return values.filled(math.nan) if hasattr(values, "filled") else values


def read_bars(axes: Any, container: Any) -> list[dict[str, Any]]:
    """Return bars, standing or lying; the value is text, because the protocol says so."""
    lying = getattr(container, "orientation", "vertical") == "horizontal"
    group = label_of(container)
    bars: list[dict[str, Any]] = []
    for bar in container.patches:
        x, y, width, height = bar.get_x(), bar.get_y(), bar.get_width(), bar.get_height()
        label = place_label(axes.yaxis, y + height / 2) if lying else place_label(axes.xaxis, x + width / 2)
        bars.append({"label": label, "group": group, "value": text_of(width if lying else height)})
    return bars


def read_wedge(wedge: Any) -> dict[str, Any]:
    share = shares.get(wedge)
    return {
        "label": label_of(wedge),
        "angle": finite(wedge.theta2 - wedge.theta1),
        "radius": finite(wedge.r),
        "autopct": share.get_text() if share is not None else None,
    }


def read_box(stat: dict[str, Any]) -> dict[str, Any]:
    outliers: list[Any] = [finite(value) for value in stat.get("fliers", [])]
    return {
        "label": str(stat.get("label", "")),
        "min": finite(stat["whislo"]),
        "first_quartile": finite(stat["q1"]),
        "median": finite(stat["med"]),
        "third_quartile": finite(stat["q3"]),
        "max": finite(stat["whishi"]),
        "outliers": [value for value in outliers if value is not None],
    }


# -- Axes and numbers -------------------------------------------------------------------------------------------------


def scale_of(axis: Any) -> str:
    locator = type(axis.get_major_locator()).__module__
    if locator == "matplotlib.dates":
        return "datetime"
    if locator == "matplotlib.category":
        return "categorical"
    return str(axis.get_scale())


def ticks_of(axis: Any) -> tuple[list[Any], list[str]]:
    labels = [text.get_text() for text in axis.get_ticklabels()]
    ticks = [number(axis, place) for place in axis.get_majorticklocs()]
    return [tick for tick in ticks if tick is not None], labels


def place_label(axis: Any, place: float) -> str:
    """Return the category, the time or the number that stands at *place*."""
    if scale_of(axis) == "datetime":
        return str(sys.modules["matplotlib.dates"].num2date(place).isoformat())
    if scale_of(axis) == "categorical" or is_a(axis.get_major_locator(), "FixedLocator"):
        for tick, text in zip(axis.get_majorticklocs(), axis.get_ticklabels()):
            if math.isclose(tick, place, rel_tol=1e-9, abs_tol=1e-9):
                return str(text.get_text())
    return text_of(place)


def text_of(value: Any) -> str:
    return format(float(value), ".15g")


def label_of(artist: Any) -> str:
    """Return a name that somebody gave, not one that matplotlib made up."""
    label = str(artist.get_label())
    return "" if label.startswith("_") else label


def number(axis: Any, value: Any) -> Any:
    """Return a number; dates, which matplotlib counts in days, as seconds since 1970 in UTC."""
    if scale_of(axis) == "datetime":
        return finite(sys.modules["matplotlib.dates"].num2date(value).timestamp())
    return finite(value)


def finite(value: Any) -> Any:
    """Return what JSON can carry, a whole number as such; None for what is no number."""
    value = float(value)
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


main()
