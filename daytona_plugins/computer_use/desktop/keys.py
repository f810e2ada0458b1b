"""Names of keys and buttons, and what X calls them. Nothing here talks to a server."""

from __future__ import annotations

import string
from typing import Final

BUTTONS: Final = {"": 1, "left": 1, "middle": 2, "right": 3}
WHEEL: Final = {"up": 4, "down": 5, "left": 6, "right": 7}

_PUNCTUATION: Final = {
    "'": "apostrophe", ",": "comma", "-": "minus", ".": "period", "/": "slash", ";": "semicolon", "=": "equal",
    "[": "bracketleft", "]": "bracketright", "\\": "backslash", "`": "grave",
}  # fmt: skip

_MODIFIERS: Final = {
    **{name: f"{x}_L" for name, x in (("alt", "Alt"), ("ctrl", "Control"), ("shift", "Shift"), ("cmd", "Super"))},
    **{f"l{name}": f"{x}_L" for name, x in (("alt", "Alt"), ("ctrl", "Control"), ("shift", "Shift"), ("cmd", "Super"))},
    **{f"r{name}": f"{x}_R" for name, x in (("alt", "Alt"), ("ctrl", "Control"), ("shift", "Shift"), ("cmd", "Super"))},
}  # fmt: skip

_KEYS: Final = {
    **{letter: letter for letter in string.ascii_lowercase + string.digits},
    **_PUNCTUATION,
    **_MODIFIERS,
    **{f"f{number}": f"F{number}" for number in range(1, 25)},
    **{f"num{digit}": f"KP_{digit}" for digit in string.digits},
    "num_asterisk": "KP_Multiply", "num_decimal": "KP_Decimal", "num_enter": "KP_Enter", "num_equal": "KP_Equal",
    "num_lock": "Num_Lock", "num_minus": "KP_Subtract", "num_plus": "KP_Add", "num_slash": "KP_Divide",
    "backspace": "BackSpace", "capslock": "Caps_Lock", "delete": "Delete", "enter": "Return", "escape": "Escape",
    "insert": "Insert", "menu": "Menu", "space": "space", "tab": "Tab", "home": "Home", "end": "End",
    "pageup": "Prior", "pagedown": "Next", "up": "Up", "down": "Down", "left": "Left", "right": "Right",
}  # fmt: skip

_ALIASES: Final = {
    "return": "enter", "esc": "escape", "del": "delete", "spacebar": "space", "page_up": "pageup",
    "page_down": "pagedown", "caps_lock": "capslock", "numlock": "num_lock", "control": "ctrl", "option": "alt",
    **dict.fromkeys(("command", "meta", "super", "win", "windows"), "cmd"),
    **{f"{long}_{name}": f"{short}{name}" for name in ("alt", "ctrl", "shift", "cmd")
       for long, short in (("left", "l"), ("right", "r"))},
    "left_control": "lctrl", "right_control": "rctrl", "left_super": "lcmd", "right_super": "rcmd",
}  # fmt: skip


class UnknownKeyError(Exception):
    """No key, button or direction has that name; the text says what to do instead."""


def button_number(name: str | None) -> int:
    """Return what X calls a mouse button."""
    return _known(BUTTONS, (name or "").strip().lower(), "button", "left, middle or right")


def wheel_button(direction: str | None) -> int:
    """Return what X calls one notch of the wheel."""
    return _known(WHEEL, (direction or "").strip().lower(), "direction", "up, down, left or right")


def _known(table: dict[str, int], name: str, what: str, choices: str) -> int:
    if name not in table:
        raise UnknownKeyError(f"unknown {what} {name!r}: use {choices}")
    return table[name]


def normal_name(name: str) -> str:
    """Return the one name of a key, whatever it was called.

    Raises:
        UnknownKeyError: There is no such key.
    """
    plain = name.lower()
    plain = plain.replace("-", "_") if len(plain) > 1 else plain
    plain = _ALIASES.get(plain, plain)
    if plain not in _KEYS:
        raise UnknownKeyError(f"unknown key {name!r}: {_hint(name)}")
    return plain


def _hint(name: str) -> str:
    if not name.strip():
        return "white space has names, such as space, tab and enter"
    if len(name) == 1:
        return "name the key without shift and give the modifier shift, or type the character as text"
    return "use a letter, a digit, or a name such as enter, escape, f1 or pageup"


def keysym_name(name: str) -> str:
    """Return what X calls a key, given any of its names."""
    return _KEYS[normal_name(name)]


def chord(key: str, modifiers: list[str]) -> tuple[str, list[str]]:
    """Return the X names of a key and of the modifiers to hold meanwhile.

    Raises:
        UnknownKeyError: A name is unknown, a modifier is none, or one key is named twice.
    """
    held = [normal_name(name) for name in modifiers]
    for name in held:
        if name not in _MODIFIERS:
            raise UnknownKeyError(f"{name!r} is no modifier: use ctrl, alt, shift or cmd")
    names = [*held, normal_name(key)] if key else held
    if len(set(names)) < len(names):
        raise UnknownKeyError(f"a key is named twice in {'+'.join(names)}")
    return _KEYS[names[-1]] if key else "", [_KEYS[name] for name in held]


def hotkey(keys: str) -> tuple[str, list[str]]:
    """Return the X names of the keys in a text such as "ctrl+shift+t": the last, and those held meanwhile."""
    *modifiers, key = [name.strip() for name in keys.split("+")]
    if not key or not all(modifiers):
        raise UnknownKeyError(f"{keys!r} names no key before or after a plus sign")
    return chord(key, modifiers)


def typed(text: str) -> str:
    """Return what will be typed: every kind of line's end is one newline.

    Raises:
        UnknownKeyError: It has a control character.
    """
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    for character in plain:
        if character != "\n" and (character < " " or character in "\x7f\u2028\u2029"):
            raise UnknownKeyError(
                f"the control character {character!r} cannot be typed: press its key instead"
            )
    return plain


def keysym_of(character: str) -> int:
    """Return X's number for a character."""
    if character == "\n":
        return 0xFF0D
    point = ord(character)
    return point if 0x20 <= point <= 0x7E or 0xA0 <= point <= 0xFF else 0x01000000 | point
