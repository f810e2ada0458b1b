"""The project's checks: the same commands for a developer and for CI. `nox` runs all but the benchmarks.

The sessions run in the environment that holds nox, which `./bootstrap dev` has filled; `nox --force-venv-backend venv`
gives each an environment of its own.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "imports", "faces", "types", "tests", "interop", "docs"]

# nox may have been called by its path.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

FACES = {
    f"daytona/services/{name}.py": f"daytona/blocking/{name}.py"
    for name in (
        "client",
        "code_interpreter",
        "filesystem",
        "git",
        "process",
        "pty",
        "sandbox",
        "secret",
        "snapshot",
        "volume",
        "warm_pool",
    )
} | {
    f"daytona_plugins/{name}/service.py": f"daytona_plugins/{name}/blocking.py"
    for name in ("computer_use", "lsp", "object_storage")
}
EXAMPLE = "examples/clipboard-plugin/clipboard_plugin"
FACES[f"{EXAMPLE}/service.py"] = f"{EXAMPLE}/blocking.py"


# A shared machine may take a core away at any moment: in CI, what fails is tried once more, and the report says so.
AGAIN = ("--reruns", "1") if os.environ.get("CI") else ()

# Most of a test's time is waiting. Two files at a time, each with a platform of its own, never two tests of one file.
TWO_AT_A_TIME = ("-n", "2", "--dist", "loadfile")


def _install(session: nox.Session) -> None:
    """Fill an environment of the session's own, where it has one."""
    if session.venv_backend != "none":
        session.install("-e", ".[dev]", silent=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Style: ruff's rules and its formatter."""
    _install(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def imports(session: nox.Session) -> None:
    """Layers: who may import whom."""
    _install(session)
    session.run("lint-imports")


@nox.session
def faces(session: nox.Session) -> None:
    """The blocking faces: written anew, or with `-- --check` (and in CI) compared with what is committed."""
    _install(session)
    check = ["--check"] if "--check" in session.posargs or os.environ.get("CI") else []
    for source, destination in FACES.items():
        session.run("python", "-m", "daytona.faces", *check, source, destination)


@nox.session
def types(session: nox.Session) -> None:
    """Types: mypy and pyright, both strict, over the packages and over the files of promises and mistakes."""
    _install(session)
    session.run("mypy")
    python = session.run("which", "python", external=True, silent=True)
    session.run("pyright", "--pythonpath", str(python).strip())
    session.run("pytest", "-q", "tests/typing", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Everything that runs, on the three faces, against the real embedded platform."""
    _install(session)
    session.run(
        "pytest", "--ignore=tests/typing", "--ignore=tests/interop", *TWO_AT_A_TIME, *AGAIN, *session.posargs
    )


@nox.session
def interop(session: nox.Session) -> None:
    """The official client, in an environment of its own, against the embedded platform."""
    _install(session)
    session.run("pytest", "-q", "tests/interop", *AGAIN, *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, with warnings as errors."""
    _install(session)
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure beside other clients; prints tables of ratios. `nox -s bench -- --rounds 2` is quick, `--write` documents."""
    _install(session)
    session.run("python", "-m", "benchmarks", *session.posargs)
