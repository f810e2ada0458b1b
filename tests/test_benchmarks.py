"""The benchmarks run, and say what they should of what they measure; how fast anything is, is their business alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.goals import GROUPS, Goal
from benchmarks.jobs import JOBS
from benchmarks.report import MARKERS, table, write_between_markers

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("job", ["rest", "crowd", "streams", "files"])
def test_our_own_programs_run(job: str) -> None:
    """A hundredth of one round, without clients that have to be installed."""
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "--alone",
        "--only",
        job,
        "--rounds",
        "1",
        "--scale",
        "0.01",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    assert "| ours | other | ratio | must | aim |" in done.stdout


def test_every_goal_is_about_runs_that_there_are() -> None:
    runs = {(job.name, run.name) for job in JOBS for run in job.runs}
    for goal in (goal for goals in GROUPS.values() for goal in goals):
        assert (goal.job, goal.ours) in runs, goal.title
        assert goal.peer is None or (goal.job, goal.peer) in runs, goal.title


@pytest.mark.parametrize(
    ("ours", "verdict"), [([1.0, 1.0, 9.0], "aim"), ([2.0, 2.0, 0.1], "met"), ([5.0, 5.0, 5.0], "MISSED")]
)
def test_a_ratio_is_the_median_of_the_rounds(ours: list[float], verdict: str) -> None:
    goal = Goal("a call", "job", "ours", "theirs", "cpu", ("ms", 1e3), must=4, aim=8)
    samples = {("job", "ours"): [{"cpu": one} for one in ours], ("job", "theirs"): [{"cpu": 10.0}] * 3}
    outcome = goal.outcome(samples)
    assert outcome is not None
    assert outcome.verdict == verdict
    assert verdict in table([goal], samples)


def test_a_limit_is_for_the_number_itself() -> None:
    goal = Goal("memory", "job", "ours", None, "rss", ("MiB", 1.0), must=22, aim=17)
    assert [goal.outcome({("job", "ours"): [{"rss": size}]}).verdict for size in (16.0, 20.0, 30.0)] == [  # type: ignore[union-attr]  # all are measured
        "aim",
        "met",
        "MISSED",
    ]
    assert goal.outcome({}) is None


def test_only_what_is_between_the_markers_is_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{MARKERS[0]}\nold\n{MARKERS[1]}\nafter\n")
    assert write_between_markers(page, "new \\1")
    assert page.read_text() == f"before\n{MARKERS[0]}\nnew \\1\n{MARKERS[1]}\nafter\n"
    page.write_text("nothing")
    assert not write_between_markers(page, "new")
