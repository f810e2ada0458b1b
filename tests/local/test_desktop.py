"""The desktop's parts without a sandbox: names of keys, and what is imported before there is one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from daytona_plugins.computer_use.desktop import keys
from daytona_plugins.computer_use.desktop.keys import UnknownKeyError

USE = """
import subprocess, sys, threading
from daytona_plugins.local.agent.main import warm_up
warm_up()
assert threading.enumerate() == [threading.main_thread()]
from daytona_plugins.computer_use.desktop.pictures import Options, draw_cursor, pack
from daytona_plugins.computer_use.desktop.screen import Area, Place, Screen
known = set(sys.modules)
server = subprocess.Popen(["Xvfb", "-displayfd", "1", "-screen", "0", "320x200x24"], stdout=-1, stderr=-3)
try:
    screen = Screen(":" + server.stdout.readline().decode().strip())
    picture = screen.picture(Area(0, 0, 20, 10))
    draw_cursor(picture, Place(5, 5))
    for name in ("png", "jpeg", "webp"):
        pack(picture, Options(name, scale=0.5))
    screen.type_character("λ")
    screen.press("F5", ["Shift_L"])
    screen.drag(Place(1, 1), Place(2, 2), 1, [])
    assert screen.windows() == []
    assert not screen.is_managed()
    screen.close()
finally:
    server.terminate()
    server.communicate()
print(sorted(set(sys.modules) - known))
"""

MISSING = """
import sys
sys.modules["Xlib"] = None
from daytona_plugins.local.agent.toolbox import Toolbox
from daytona_plugins.computer_use.desktop.agent import add_computer_use
toolbox = Toolbox()
add_computer_use(toolbox)
import asyncio, types
request = types.SimpleNamespace(method="POST", path="/computeruse/start", raw_path="/computeruse/start")
try:
    asyncio.run(toolbox.router(request))
except Exception as error:
    print(error.status, error.message)
"""


def run(program: str) -> str:
    """Return what a program of its own prints."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs the Debian package xvfb")
def test_a_desktop_imports_nothing_once_there_is_a_sandbox() -> None:
    assert run(USE) == "[]"


def test_a_missing_library_is_named_with_what_brings_it() -> None:
    status, _, message = run(MISSING).partition(" ")
    assert status == "503"
    assert "python-xlib" in message
    assert "daytona-anyio[desktop]" in message


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", "a"), ("A", "a"), ("7", "7"), ("Return", "Return"), ("ENTER", "Return"), ("esc", "Escape"),
        ("page_up", "Prior"), ("Page-Down", "Next"), ("del", "Delete"), ("spacebar", "space"), ("f24", "F24"),
        ("num5", "KP_5"), ("num_plus", "KP_Add"), ("-", "minus"), ("`", "grave"), ("control", "Control_L"),
        ("option", "Alt_L"), ("windows", "Super_L"), ("rctrl", "Control_R"), ("right_alt", "Alt_R"),
        ("lcmd", "Super_L"),
    ],
)  # fmt: skip
def test_keys_have_many_names(name: str, expected: str) -> None:
    assert keys.keysym_name(name) == expected


@pytest.mark.parametrize("name", ["", " ", "!", "@", "ü", "num+", "f25", "hyper", "\t", "numm"])
def test_what_is_no_key_is_refused_with_a_hint(name: str) -> None:
    with pytest.raises(UnknownKeyError, match=r"unknown key .*: \w"):
        keys.keysym_name(name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ctrl+c", ("c", ["Control_L"])),
        ("Ctrl + Shift + T", ("t", ["Control_L", "Shift_L"])),
        ("alt+f4", ("F4", ["Alt_L"])),
        ("enter", ("Return", [])),
        ("ctrl+shift", ("Shift_L", ["Control_L"])),
    ],
)
def test_hotkeys_are_one_key_and_modifiers(text: str, expected: tuple[str, list[str]]) -> None:
    assert keys.hotkey(text) == expected


@pytest.mark.parametrize("text", ["", "+", "ctrl+", "+c", "a+b", "ctrl+ctrl+c", "cmd+super+c", "ctrl+c+v"])
def test_other_hotkeys_are_refused(text: str) -> None:
    with pytest.raises(UnknownKeyError):
        keys.hotkey(text)


def test_ends_of_lines_are_one_and_control_characters_are_refused() -> None:
    assert keys.typed("a\r\nb\rc\nd") == "a\nb\nc\nd"
    for character in "\t\0\x1b\x7f\u2028\u2029":
        with pytest.raises(UnknownKeyError, match="control character"):
            keys.typed(f"a{character}")


def test_buttons_and_directions_have_names() -> None:
    assert [keys.button_number(name) for name in (None, "", " Left ", "MIDDLE", "right")] == [1, 1, 1, 2, 3]
    assert [keys.wheel_button(name) for name in ("up", "down", "Left", "right")] == [4, 5, 6, 7]
    with pytest.raises(UnknownKeyError, match="use up, down, left or right"):
        keys.wheel_button(None)
