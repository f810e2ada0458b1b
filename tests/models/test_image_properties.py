"""Whatever is given to an `Image`: who reads its Dockerfile reads just that."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from daytona import DaytonaValidationError, Image
from daytona.protocols.expansion import expand
from daytona_plugins.local.images.dockerfile import Copy, Instruction, Place, Program, Run, Set, parse

if TYPE_CHECKING:
    from pathlib import Path

LETTERS = st.characters(codec="utf-8", exclude_characters="\0\n\r")
TEXTS = st.text(LETTERS, max_size=12)
WORDS = st.lists(TEXTS, min_size=1, max_size=4)
SHELL = settings(max_examples=40)  # each example is a process


def only(image: Image) -> Instruction:
    """Return the one instruction after FROM."""
    (instruction,) = parse(image.dockerfile()).stages[0].instructions
    return instruction


def said_by_a_shell(command: str) -> list[str]:
    """Return the words that a shell makes of a command."""
    script = f"printf '%s\\0' {command}"
    run = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True)
    return run.stdout.decode().split("\0")[:-1]


@given(
    st.dictionaries(st.from_regex(r"[A-Za-z_]\w{0,5}", fullmatch=True).filter(str.isascii), TEXTS, min_size=1)
)
def test_variables_have_the_values_that_were_given(values: dict[str, str]) -> None:
    found: dict[str, str] = {}
    for instruction in parse(Image.base("x").env(values).dockerfile()).stages[0].instructions:
        assert isinstance(instruction, Set)
        found |= {name: expand(value, {}) for name, value in instruction.pairs}
    assert found == values


@given(TEXTS.filter(str.strip))
def test_the_directory_is_the_one_that_was_given(path: str) -> None:
    place = only(Image.base("x").workdir(f"/{path}"))
    assert isinstance(place, Place)
    assert expand(place.value, {}) == f"/{path}"


@given(WORDS)
def test_programs_have_the_words_that_were_given(words: list[str]) -> None:
    for image in (Image.base("x").entrypoint(words), Image.base("x").cmd(words)):
        program = only(image)
        assert isinstance(program, Program)
        assert program.command == tuple(words)


@SHELL
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0\n\r$`"), max_size=9),
        min_size=1,
        max_size=4,
    )
)
def test_a_shell_sees_the_words_that_were_given(words: list[str]) -> None:
    run = only(Image.base("x").run_commands(["", *words]))
    assert isinstance(run, Run)
    assert isinstance(run.command, str)
    assert said_by_a_shell(run.command) == ["", *words]


@SHELL
@given(st.lists(TEXTS, min_size=1, max_size=4), TEXTS)
def test_pip_sees_the_packages_and_the_options_that_were_given(packages: list[str], url: str) -> None:
    run = only(Image.base("x").pip_install(packages, extra_index_urls=[url]))
    assert isinstance(run, Run)
    assert isinstance(run.command, str)
    expected = ["python", "-m", "pip", "install", *sorted(packages), "--extra-index-url", url]
    assert said_by_a_shell(run.command) == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=9))
def test_a_file_with_any_name_is_copied_by_that_name(tmp_path: Path, name: str) -> None:
    file = tmp_path / f"x{name.replace('/', '')}"
    file.touch()
    copy = only(Image.base("x").add_local_file(file, "/to/"))
    assert isinstance(copy, Copy)
    assert (copy.paths, copy.destination) == ((str(file).lstrip("/"),), f"/to/{file.name}")


@pytest.mark.parametrize("text", ["a\nRUN evil", "a\r\nb"])
def test_a_line_break_would_begin_another_instruction(text: str) -> None:
    for add in (
        lambda image: image.env({"A": text}),
        lambda image: image.workdir(text),
        lambda image: image.pip_install(text),
        lambda image: image.pip_install("x", index_url=text),
        lambda image: image.run_commands(["echo", text]),
    ):
        image = Image.base("x")
        with pytest.raises(DaytonaValidationError, match="has a line break"):
            add(image)
        assert image == Image.base("x")
