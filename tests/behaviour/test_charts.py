"""Charts: what code draws in a sandbox arrives as a picture and as numbers."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from daytona import (
    BarChart,
    BoxAndWhiskerChart,
    CodeRunParams,
    CompositeChart,
    LineChart,
    PieChart,
    ScatterChart,
)
from tests.behaviour.drawing import SITE, install_matplotlib

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.local.platform_process import Platform

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def drawing_id(platform: Platform, shared_id: str) -> str:
    """The id of a sandbox in which Python finds matplotlib in `SITE`."""
    install_matplotlib(platform, shared_id)
    return shared_id


@pytest.fixture
def draw(connect: Callable[[], Any], drawing_id: str) -> Callable[..., Any]:
    """Return a function that runs code in that sandbox."""

    async def drawn(code: str, *, argv: list[str] | None = None, **env: str) -> Any:
        async with connect() as daytona:
            sandbox = await daytona.get(drawing_id)
            return await sandbox.process.code_run(
                code, CodeRunParams(argv=argv, env={"PYTHONPATH": SITE, **env})
            )

    return drawn


async def chart(draw: Callable[..., Any], code: str) -> Any:
    """Return the one chart of a program that draws one and prints nothing."""
    done = await draw(f"import matplotlib.pyplot as plt\n{code}\nplt.show()\n")
    assert (done.exit_code, done.result) == (0, "")
    (drawn,) = done.artifacts.charts
    assert base64.b64decode(drawn.png).startswith(PNG)
    return drawn


# -- Kinds ------------------------------------------------------------------------------------------------------------


async def test_lines(draw: Callable[..., Any]) -> None:
    code = """plt.plot([1, 2, 3], [2, 4.5, float("nan")], label="a"); plt.plot([1, 2], [1, 1]); plt.axhline(3)
plt.title("Two lines"); plt.xlabel("t (s)"); plt.ylabel("v"); plt.yscale("log")"""
    found = await chart(draw, code)
    assert isinstance(found, LineChart)
    assert (found.type, found.title, found.x_label, found.y_label) == ("line", "Two lines", "t (s)", "v")
    assert (found.x_scale, found.y_scale) == ("linear", "log")
    assert [(line.label, line.points) for line in found.elements] == [
        ("a", [[1, 2], [2, 4.5]]),
        ("", [[1, 1], [2, 1]]),
    ]
    assert found.x_ticks
    assert found.x_tick_labels
    assert len(found.x_ticks) == len(found.x_tick_labels)


async def test_clouds(draw: Callable[..., Any]) -> None:
    found = await chart(draw, 'plt.scatter([1, float("nan"), 3], [4, 5, 6], label="c")')
    assert isinstance(found, ScatterChart)
    assert [(cloud.label, cloud.points) for cloud in found.elements] == [("c", [[1, 4], [3, 6]])]


@pytest.mark.parametrize(("call", "axis"), [("bar", "x"), ("barh", "y")])
async def test_bars(draw: Callable[..., Any], call: str, axis: str) -> None:
    found = await chart(draw, f'plt.{call}(["a", "b", "c"], [3, 7.5, 3], label="g")')
    assert isinstance(found, BarChart)
    assert [(bar.label, bar.group, bar.value) for bar in found.elements] == [
        ("a", "g", 3),
        ("b", "g", 7.5),
        ("c", "g", 3),
    ]
    assert getattr(found, f"{axis}_scale") == "categorical"
    assert getattr(found, f"{axis}_tick_labels") == ["a", "b", "c"]


async def test_slices(draw: Callable[..., Any]) -> None:
    found = await chart(draw, 'plt.pie([30, 70], labels=["x", "y"], autopct="%1.1f%%")')
    assert isinstance(found, PieChart)
    assert [(part.label, part.angle, part.radius, part.autopct) for part in found.elements] == [
        ("x", 108, 1, "30.0%"),
        ("y", 252, 1, "70.0%"),
    ]


async def test_boxes(draw: Callable[..., Any]) -> None:
    found = await chart(draw, "plt.boxplot([[1, 2, 3, 4, 50], [5, 5, 5]], patch_artist=True)")
    assert isinstance(found, BoxAndWhiskerChart)
    first, second = found.elements
    assert (first.min, first.first_quartile, first.median, first.third_quartile, first.max) == (1, 2, 3, 4, 4)
    assert (first.outliers, second.outliers) == ([50], [])
    assert [box.label for box in found.elements] == ["", ""]


async def test_several_in_one(draw: Callable[..., Any]) -> None:
    code = """f, (left, right) = plt.subplots(1, 2); f.suptitle("Both")
left.plot([1, 2], [3, 4]); left.set_title("L"); left.set_xlabel("x"); right.bar(["u"], [9])"""
    found = await chart(draw, code)
    assert isinstance(found, CompositeChart)
    assert found.title == "Both"
    left, right = found.elements
    assert (left.type, left.title, left.x_label) == ("line", "L", "x")
    assert left.elements[0].points == [[1, 3], [2, 4]]
    assert (right.type, right.elements[0].label, right.elements[0].value) == ("bar", "u", "9")


async def test_pictures_without_numbers(draw: Callable[..., Any]) -> None:
    found = await chart(draw, 'plt.imshow([[0, 1], [1, 0]]); plt.colorbar(); plt.title("img")')
    assert (found.type, found.title, list(found.elements)) == ("unknown", "img", [])


async def test_dates_are_seconds(draw: Callable[..., Any]) -> None:
    code = """from datetime import datetime, timezone
plt.plot([datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2026, 1, 2, tzinfo=timezone.utc)], [1, 2])"""
    found = await chart(draw, code)
    assert found.x_scale == "datetime"
    assert found.elements[0].points == [[1767225600, 1], [1767312000, 2]]
    assert 1767225600 <= found.x_ticks[0] <= 1767312000
    assert found.x_tick_labels[0]


async def test_bars_of_days_are_named_by_them(draw: Callable[..., Any]) -> None:
    found = await chart(draw, "import datetime\nplt.bar([datetime.date(2026, 1, 1)], [4])")
    assert found.elements[0].label.startswith("2026-01-01")


# -- Programs ---------------------------------------------------------------------------------------------------------


async def test_every_figure_that_is_shown_arrives_once(draw: Callable[..., Any]) -> None:
    code = """from matplotlib import pyplot
print("no line end", end="")
pyplot.figure(); pyplot.plot([1]); pyplot.figure(); pyplot.scatter([1], [2]); pyplot.show()
pyplot.show()
pyplot.pie([1]); pyplot.show()
pyplot.plot([1, 2])
print(" and on")
"""
    done = await draw(code)
    assert (done.exit_code, done.result) == (0, "no line end and on\n")
    assert [chart.type for chart in done.artifacts.charts] == ["line", "scatter", "pie"]


async def test_what_is_saved_is_what_was_drawn(draw: Callable[..., Any]) -> None:
    code = """import matplotlib, io, sys
matplotlib.use("Agg")
import matplotlib.pyplot as plt
plt.plot([1, 2]); before = io.BytesIO(); plt.savefig(before, metadata={"Software": None}); plt.show()
plt.plot([1, 2]); after = io.BytesIO(); plt.savefig(after, metadata={"Software": None})
print(before.getvalue() == after.getvalue(), plt.get_backend().lower(), sys.argv, __name__, len(plt.get_fignums()))
"""
    done = await draw(code, argv=["one", "t w o"])
    assert (done.exit_code, done.result) == (0, "True agg ['-', 'one', 't w o'] __main__ 1\n")
    assert len(done.artifacts.charts) == 1


async def test_a_failing_program_fails_as_ever(draw: Callable[..., Any]) -> None:
    code = "import matplotlib.pyplot as plt\ndef f():\n    return 1 / 0\nplt.plot([1]); plt.show()\nf()\n"
    done = await draw(code)
    assert done.exit_code == 1
    assert done.result.splitlines()[0] == "Traceback (most recent call last):"
    assert 'File "<target_code>", line 5, in <module>' in done.result
    assert 'File "<target_code>", line 3, in f' in done.result
    assert done.result.endswith("ZeroDivisionError: division by zero\n")
    assert "<daytona>" not in done.result
    assert len(done.artifacts.charts) == 1


@pytest.mark.parametrize(
    ("code", "status", "output"),
    [
        ("import matplotlib, sys; sys.exit(7)", 7, ""),
        ("import matplotlib; raise SystemExit('bye')", 1, "bye\n"),
        ("import matplotlib; import os; os._exit(3)", 3, ""),
        ("import matplotlib, os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137, None),
        ("import matplotlib, atexit; atexit.register(print, 'last')", 0, "last\n"),
        (
            "import matplotlib; print(open('/proc/self/cmdline').read().split(chr(0))[1:3])",
            0,
            "['-u', '-']\n",
        ),
        ("from __future__ import annotations\nimport matplotlib\nx: undefined = 1\nprint(x)", 0, "1\n"),
        (
            "import matplotlib\nclass C: pass\nimport pickle\nprint(type(pickle.loads(pickle.dumps(C()))) is C)",
            0,
            "True\n",
        ),
        (
            "import matplotlib\nprint(sorted(n for n in globals() if not n.startswith('_')))",
            0,
            "['matplotlib']\n",
        ),
    ],
)
async def test_drawing_changes_nothing_else(
    draw: Callable[..., Any], code: str, status: int, output: str | None
) -> None:
    done = await draw(code)
    assert done.exit_code == status
    assert output is None or done.result == output


async def test_a_mistake_in_the_syntax_is_shown(draw: Callable[..., Any]) -> None:
    done = await draw("import matplotlib\nx = = 1\n")
    assert done.exit_code == 1
    assert 'File "<target_code>", line 2' in done.result
    assert done.result.endswith("SyntaxError: invalid syntax\n")


async def test_without_matplotlib_its_absence_is_the_error(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        done = await sandbox.process.code_run(
            "try:\n    import matplotlib.pyplot\nexcept ImportError as error:\n    print(error.name)\n",
            CodeRunParams(env={"PYTHONPATH": "/nowhere"}),
        )
    assert (done.exit_code, done.artifacts.charts) == (0, [])
    assert done.result in ("matplotlib\n", "")  # this machine may have it
